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

/** A size as people read it. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
