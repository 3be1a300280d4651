/** Colours for a terminal; where there is none, or nobody wants them, they are nothing at all. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

const asIs = (text: string): string => text;
const code =
  (on: number, off: number) =>
  (text: string): string =>
    `\u001b[${on}m${text}\u001b[${off}m`;

/** Without colours. */
export const noPaint: Paint = { good: asIs, warn: asIs, bad: asIs, dim: asIs, bold: asIs };

const ansiPaint: Paint = {
  good: code(32, 39),
  warn: code(33, 39),
  bad: code(31, 39),
  dim: code(2, 22),
  bold: code(1, 22),
};

/** The colours for what is written to a stream: none where it is no terminal, or the environment says NO_COLOR (no-color.org). */
export function paintFor(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv): Paint {
  const isWanted = !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
  return stream.isTTY === true && isWanted ? ansiPaint : noPaint;
}

/** The colour of a word that says how something stands. */
export function paintStatus(paint: Paint): (cell: string, padded: string) => string {
  return (cell, padded) => {
    if (/^(REJECTED\b.*|nacked|backoff\b.*|refused|failing)$/.test(cell)) return paint.bad(padded);
    if (/^(STALE\b.*|NOT SENT\b.*|withheld|connecting|idle|pending|not sent)$/.test(cell)) return paint.warn(padded);
    return /^(SYNCED\b.*|SENT\b.*|open|acked|accepted)$/.test(cell) ? paint.good(padded) : padded;
  };
}
