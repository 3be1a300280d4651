/** Rows that are laid out together. */
const rowsPerPiece = 500;

/** Says in which colour a cell is to stand, if any; see {@link Paint}. */
type CellPaint = (cell: string, padded: string) => string;

/** Lays rows out in columns, the first row being the heading. Columns of numbers stand to the right. @param paint colours a cell that has its width */
export function formatTable(rows: readonly (readonly string[])[], paint?: CellPaint): string {
  return [...tablePieces(rows, paint)].join('');
}

/** The same in pieces, for tables of any length. */
export function* tablePieces(
  rows: readonly (readonly string[])[],
  paint: CellPaint = (_, padded) => padded,
): Generator<string> {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const isNumber = widths.map((_, column) =>
    rows.slice(1).every(row => /^(?:[\d,]+(?:\.\d+)?(?: (?:[KMG]i)?B)?)?$/.test(row[column] ?? '')),
  );
  for (let at = 0; at < rows.length; at += rowsPerPiece) {
    const lines = rows.slice(at, at + rowsPerPiece).map(row =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          if (isNumber[column]) return paint(cell, cell.padStart(width));
          // Nothing stands behind the last one.
          return paint(cell, column === row.length - 1 ? cell : cell.padEnd(width));
        })
        .join('  ')
        .trimEnd(),
    );
    yield `${lines.join('\n')}\n`;
  }
}

/** Words of others on one line, without what moves a terminal's cursor, cut where they would fill the screen. */
export function oneLine(text: string, charactersMax = 120): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ');
  return line.length > charactersMax ? `${line.slice(0, charactersMax - 1)}…` : line;
}

/** `1 client`, `2 clients`. */
export function countOf(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** A name as a shell takes it. */
export function shellWord(name: string): string {
  return /^[\w./:@%+=,-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}

/** A time span in the largest unit that says enough: `340 ms`, `12 s`, `5 m`, `3 h`, `2 d`. */
export function formatAge(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const units = [
    ['s', 1_000],
    ['m', 60_000],
    ['h', 3_600_000],
    ['d', 86_400_000],
  ] as const;
  let shown = '';
  for (const [unit, size] of units) if (ms >= size) shown = `${Math.floor(ms / size)} ${unit}`;
  return shown;
}

/** A size as people read it. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
