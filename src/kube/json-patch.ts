import { align } from './alignment.ts';
import { isEqual, objectOf } from './data.ts';

/** One operation of a JSON patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/**
 * The operations that make one JSON value of another, in the order in which they are to be applied. Of lists only the items that differ are touched.
 *
 * @param path JSON pointer (RFC 6901) of the value in the document
 */
export function jsonPatch(before: unknown, after: unknown, path = ''): readonly PatchOperation[] {
  if (isEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listPatch(before, after, path);
  const [left, right] = [objectOf(before), objectOf(after)];
  if (!left || !right) return [{ op: 'replace', path, value: after }];
  const operations: PatchOperation[] = [];
  for (const key of Object.keys(left)) {
    if (!Object.hasOwn(right, key)) operations.push({ op: 'remove', path: `${path}/${pointerToken(key)}` });
  }
  for (const [key, value] of Object.entries(right)) {
    const place = `${path}/${pointerToken(key)}`;
    if (Object.hasOwn(left, key)) operations.push(...jsonPatch(left[key], value, place));
    else operations.push({ op: 'add', path: place, value });
  }
  return operations;
}

function listPatch(before: readonly unknown[], after: readonly unknown[], path: string): PatchOperation[] {
  const operations: PatchOperation[] = [];
  let place = 0;
  for (const step of align(before, after)) {
    const here = `${path}/${place}`;
    if (step.kind === 'removed') operations.push({ op: 'remove', path: here });
    else {
      if (step.kind === 'added') operations.push({ op: 'add', path: here, value: after[step.to] });
      else operations.push(...jsonPatch(before[step.from], after[step.to], here));
      place += 1;
    }
  }
  return operations;
}

function pointerToken(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
