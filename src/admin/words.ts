/** Words of others on one line, without what moves a terminal's cursor, cut where they would fill the screen. */
export function oneLine(text: string, charactersMax = 120): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
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

/**
 * A resource as protobuf quotes it, up to what is said of it: Envoy puts the whole of what it rejects before the reason. The marker keeps programs from
 * reading the quote.
 */
const quote = /goo\.gle\/debug\w*\s.*\s:\s(?=[^{}]*$)/s;

/** Why a client rejected something, in its own words on one line, without the resource that it quotes. */
export function reasonIn(words: string, charactersMax = 160): string {
  return oneLine(words.replace(quote, ''), charactersMax);
}
