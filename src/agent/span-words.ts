const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** A time span in ms as a log line says it, in its two largest units: `340 ms`, `12 s`, `2 min 5 s`, `3 h 20 min`. */
export function spanWords(ms: number): string {
  const first = units.findIndex(([, size]) => ms >= size);
  const [large, small] = units.slice(first);
  if (first < 0 || !large) return `${Math.round(ms)} ms`;
  const count = Math.floor(ms / large[1]);
  const rest = small ? Math.floor((ms - count * large[1]) / small[1]) : 0;
  return rest > 0 && small ? `${count} ${large[0]} ${rest} ${small[0]}` : `${count} ${large[0]}`;
}
