/** A longer word is no slip of the hand, and comparing it would take the square of its length. */
const charactersMax = 200;

/** The known name nearest to a wrong one, if any is near enough to be meant. */
export function nearest(wrong: string, known: Iterable<string>): string | undefined {
  if (wrong.length > charactersMax) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wrong.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * Known names that a wrong one may stand for, the likeliest first: those that differ by a slip of the hand, and those that hold it, as
 * `outbound|80||reviews.shop` holds `reviews`.
 */
export function nearestFirst(wrong: string, known: Iterable<string>, most: number): string[] {
  const word = wrong.toLowerCase();
  const slipMax = Math.min(4, Math.max(2, Math.floor(word.length / 3)));
  const ranked: { readonly name: string; readonly rank: number }[] = [];
  for (const name of known) {
    const other = name.toLowerCase();
    if (other.includes(word)) {
      ranked.push({ name, rank: 1 + (other.length - word.length) / 1_000 });
    } else if (word.length <= charactersMax && Math.abs(other.length - word.length) <= slipMax) {
      const distance = editDistance(word, other, slipMax);
      if (distance <= slipMax) ranked.push({ name, rank: distance });
    }
  }
  ranked.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, most).map(({ name }) => name);
}

/** @param most of interest: for more, any number above it */
function editDistance(a: string, b: string, most = Infinity): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substituted));
    }
    if (most < Infinity && Math.min(...current) > most) return Infinity;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
