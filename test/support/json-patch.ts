import type { PatchOperation } from '../../src/kube/json-patch.ts';

/** Applies a JSON patch (RFC 6902) to a copy. @throws Error where an operation names a place that is not there */
export function applyPatch(document: unknown, operations: readonly PatchOperation[]): unknown {
  const holder = { root: structuredClone(document) };
  for (const operation of operations) {
    const tokens = [
      'root',
      ...operation.path
        .split('/')
        .slice(1)
        .map(one => one.replaceAll('~1', '/').replaceAll('~0', '~')),
    ];
    const key = tokens.pop() ?? '';
    // Places are looked for; whatever is none throws.
    const parent = tokens.reduce<Record<string, unknown>>((at, token) => at[token] as Record<string, unknown>, holder);
    if (Array.isArray(parent)) applyToList(parent, Number(key), operation);
    else if (operation.op === 'add') parent[key] = structuredClone(operation.value);
    else {
      if (!Object.hasOwn(parent, key)) throw new Error(`${operation.op} of ${operation.path}, which is not there`);
      if (operation.op === 'remove') delete parent[key];
      else parent[key] = structuredClone(operation.value);
    }
  }
  return holder.root;
}

function applyToList(list: unknown[], at: number, operation: PatchOperation): void {
  if (!(at >= 0 && at < list.length + (operation.op === 'add' ? 1 : 0))) throw new Error(`no item ${operation.path}`);
  if (operation.op === 'remove') list.splice(at, 1);
  else list.splice(at, operation.op === 'add' ? 0 : 1, structuredClone(operation.value));
}
