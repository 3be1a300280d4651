/** An answer of the API server. */
export interface Answer {
  readonly status: number;
  /** Empty where it is a watch that goes on. */
  readonly body: Buffer;
  /** When to ask again, in ms from now, where it said so. */
  readonly retryAfterMs: number | undefined;
}

/** Why there is none: nobody could be reached, there is nothing to prove who asks with, or this one answer broke off or came too late. */
export interface Failure {
  readonly kind: 'unreachable' | 'credentials' | 'broken';
  readonly text: string;
}

/** What an answer with a list says; one page of it. */
export interface ListPage {
  readonly objects: readonly unknown[];
  /** Version of the whole list, from which a watch goes on. */
  readonly version: string;
  /** Where the next page begins; undefined on the last one. */
  readonly next: string | undefined;
}

/** What one line of a watch says. */
export type WatchLine =
  | { readonly kind: 'set' | 'deleted'; readonly object: unknown; readonly version: string }
  | { readonly kind: 'bookmark'; readonly version: string }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'malformed'; readonly text: string };

/** Characters of a foreign message that go into ours. */
const messageCharsMax = 300;

/** Reads a page of a list. Returns a text when it is none. */
export function readListPage(body: Buffer): ListPage | string {
  const list = parse(body);
  const [items, metadata] = [field(list, 'items'), field(list, 'metadata')];
  const version = text(field(metadata, 'resourceVersion'));
  // Go writes an empty list as null where nobody took care.
  const objects = items === null ? [] : items;
  if (!Array.isArray(objects) || version === undefined) return 'the answer is no list of the Kubernetes API';
  return { objects, version, next: text(field(metadata, 'continue')) };
}

/** Reads a line of a watch, without its end. */
export function readWatchLine(line: Buffer): WatchLine {
  const event = parse(line);
  const [type, object] = [field(event, 'type'), field(event, 'object')];
  if (type === 'ERROR') {
    const code = field(object, 'code');
    return {
      kind: 'error',
      code: typeof code === 'number' ? code : 500,
      message: foreignText(field(object, 'message')),
    };
  }
  const version = readVersion(object);
  if (version === undefined)
    return { kind: 'malformed', text: 'a line of the watch holds no object with a resourceVersion' };
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'set', object, version };
    case 'DELETED':
      return { kind: 'deleted', object, version };
    case 'BOOKMARK':
      return { kind: 'bookmark', version };
    default:
      return { kind: 'malformed', text: `a line of the watch has the type ${foreignText(type)}` };
  }
}

/** The message of a `Status`, made fit for a line of ours; empty when the body is none. */
export function statusMessage(body: Buffer): string {
  return foreignText(field(parse(body), 'message'));
}

/** `metadata.resourceVersion` of an object. */
export function readVersion(object: unknown): string | undefined {
  return metadataText(object, 'resourceVersion');
}

/** A text that is not empty out of an object's metadata. */
export function metadataText(object: unknown, name: string): string | undefined {
  return text(field(field(object, 'metadata'), name));
}

/** A member of what may be an object, never one of its prototype. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

/** Text that others wrote, as one line of bounded length. */
export function foreignText(value: unknown): string {
  if (typeof value !== 'string') return '';
  const line = value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return line.length > messageCharsMax ? `${line.slice(0, messageCharsMax)}…` : line;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // What is no JSON has none of the members that are looked for.
    return undefined;
  }
}
