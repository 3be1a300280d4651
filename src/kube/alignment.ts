import { isEqual, objectOf, textIn } from './data.ts';

/** What became of one place in a list. */
export type Step =
  | { readonly kind: 'kept'; readonly from: number; readonly to: number }
  | { readonly kind: 'removed'; readonly from: number }
  | { readonly kind: 'added'; readonly to: number };

/** Comparisons for two lists, some milliseconds. */
const cellsMax = 250_000;

/**
 * Which items of a list are in another one, in the order of both: by their name or mount path where they have one, else as a whole.
 *
 * An item that has moved counts as removed and added, and so does every item where the lists are longer than those of any pod.
 */
export function align(before: readonly unknown[], after: readonly unknown[]): readonly Step[] {
  const [rows, columns] = [before.length, after.length];
  if (rows * columns > cellsMax) {
    return [
      ...before.map((_, from) => ({ kind: 'removed', from }) as const),
      ...after.map((_, to) => ({ kind: 'added', to }) as const),
    ];
  }
  // Length of the longest common sequence of what begins at (from, to).
  const common = Array.from({ length: rows + 1 }, () => new Array<number>(columns + 1).fill(0));
  const at = (from: number, to: number): number => common[from]?.[to] ?? 0;
  for (let from = rows - 1; from >= 0; from--) {
    const row = common[from] ?? [];
    for (let to = columns - 1; to >= 0; to--) {
      row[to] = isSameItem(before[from], after[to])
        ? at(from + 1, to + 1) + 1
        : Math.max(at(from + 1, to), at(from, to + 1));
    }
  }
  const steps: Step[] = [];
  let [from, to] = [0, 0];
  while (from < rows || to < columns) {
    if (from < rows && to < columns && isSameItem(before[from], after[to])) {
      steps.push({ kind: 'kept', from: from++, to: to++ });
    } else if (to >= columns || (from < rows && at(from + 1, to) >= at(from, to + 1))) {
      steps.push({ kind: 'removed', from: from++ });
    } else steps.push({ kind: 'added', to: to++ });
  }
  return steps;
}

function isSameItem(a: unknown, b: unknown): boolean {
  const [left, right] = [objectOf(a), objectOf(b)];
  // One volume may be mounted twice, so a mount is its path.
  for (const key of ['mountPath', 'name']) {
    const [one, other] = [textIn(left, key), textIn(right, key)];
    if (one !== undefined || other !== undefined) return one === other;
  }
  return isEqual(a, b);
}
