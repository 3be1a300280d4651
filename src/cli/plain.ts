/**
 * What an agent has told, as it may be written to a terminal: names, node ids and words come from clients and control planes, and none of them may
 * move the cursor or begin a line. Everything else stays as it is.
 */
export function plain<T>(told: T): T {
  return plainValue(told) as T; // Of the same form: only texts are changed.
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'string') return /\p{Cc}/u.test(value) ? value.replace(/[\s\p{Cc}]+/gu, ' ') : value;
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plainValue(one)]));
}
