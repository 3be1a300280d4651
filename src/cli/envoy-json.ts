// Ways into plain data that was decoded: what is not there, or is something else, is nothing.

/** What stands at a path; undefined where there is nothing. */
export function at(json: unknown, ...path: readonly (string | number)[]): unknown {
  let inside: unknown = json;
  for (const step of path) {
    if (typeof inside !== 'object' || inside === null || !Object.hasOwn(inside, step)) return undefined;
    inside = (inside as Readonly<Record<string | number, unknown>>)[step]; // It has it.
  }
  return inside;
}

/** The list at a path, empty where there is none. */
export function listAt(json: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const list = at(json, ...path);
  return Array.isArray(list) ? list : [];
}

/** The text or number at a path, empty where there is none. */
export function textAt(json: unknown, ...path: readonly (string | number)[]): string {
  const text = at(json, ...path);
  return typeof text === 'string' || typeof text === 'number' ? `${text}` : '';
}

/** The texts of a list at a path. */
export function textsAt(json: unknown, ...path: readonly (string | number)[]): readonly string[] {
  return listAt(json, ...path).filter(one => typeof one === 'string');
}
