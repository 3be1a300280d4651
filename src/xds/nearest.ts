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

/** Names of about its length that a wrong one is compared with letter by letter: some 20 ms in an agent that has other things to do. */
const comparedMax = 4_000;

/**
 * Known names that a wrong one may stand for, the likeliest first: those that differ by a slip of the hand, and those that hold it, as
 * `outbound|80||reviews.shop` holds `reviews`.
 */
export function nearestFirst(wrong: string, known: Iterable<string>, most: number): string[] {
  const word = wrong.toLowerCase();
  const slipMax = Math.min(4, Math.max(2, Math.floor(word.length / 3)));
  let compared = 0;
  const ranked: { readonly name: string; readonly rank: number }[] = [];
  for (const name of known) {
    const other = name.toLowerCase();
    if (other.includes(word)) {
      ranked.push({ name, rank: 1 + (other.length - word.length) / 1_000 });
    } else if (word.length <= charactersMax && Math.abs(other.length - word.length) <= slipMax) {
      if (compared++ >= comparedMax) continue;
      const distance = fewSlips(word, other, slipMax);
      if (distance <= slipMax) ranked.push({ name, rank: distance });
    }
  }
  ranked.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, most).map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substituted));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/**
 * The edit distance of two texts that may differ by a few slips; any number above `most` for all others. Names of services have long beginnings and ends in
 * common, so ten thousand of them are compared within some milliseconds.
 */
function fewSlips(a: string, b: string, most: number): number {
  let start = 0;
  const shorter = Math.min(a.length, b.length);
  while (start < shorter && a.charCodeAt(start) === b.charCodeAt(start)) start++;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a.charCodeAt(endA - 1) === b.charCodeAt(endB - 1)) {
    endA--;
    endB--;
  }
  const [rows, columns] = [endA - start, endB - start];
  if (Math.abs(rows - columns) > most) return most + 1;
  // Further from the diagonal no way is short enough.
  let previous = Array.from({ length: columns + 1 }, (_, index) => index);
  for (let i = 1; i <= rows; i++) {
    const current = new Array<number>(columns + 1).fill(most + 1);
    if (i <= most) current[0] = i;
    let least = current[0] ?? i;
    for (let j = Math.max(1, i - most); j <= Math.min(columns, i + most); j++) {
      const isSame = a.charCodeAt(start + i - 1) === b.charCodeAt(start + j - 1);
      const distance = Math.min(
        (previous[j] ?? 0) + 1,
        (current[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (isSame ? 0 : 1),
      );
      current[j] = distance;
      if (distance < least) least = distance;
    }
    if (least > most) return most + 1;
    previous = current;
  }
  return previous[columns] ?? most + 1;
}
