/** A JSON object of Kubernetes: whatever stands in a manifest or comes in an admission review. */
export type Data = { readonly [key: string]: unknown };

/** A JSON object that was made here and may be written to. */
export type Draft = { [key: string]: unknown };

/** The value as an object; undefined when it is none. */
export function objectOf(value: unknown): Data | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? // An object has string keys; of its values nothing is said.
      (value as Data)
    : undefined;
}

/** The objects in a list; what is none is left out, and so is everything where there is no list. */
export function objectsIn(value: unknown): readonly Data[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: unknown) => {
    const object = objectOf(one);
    return object ? [object] : [];
  });
}

/** A text of an object; undefined when there is none or it is no text. */
export function textIn(object: Data | undefined, key: string): string | undefined {
  const value = object?.[key];
  return typeof value === 'string' ? value : undefined;
}

/** Whether two JSON values say the same; the order of keys does not count, that of lists does. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((one, at) => isEqual(one, b[at]));
  }
  const [left, right] = [objectOf(a), objectOf(b)];
  if (!left || !right) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every(key => Object.hasOwn(right, key) && isEqual(left[key], right[key]))
  );
}
