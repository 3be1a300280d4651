import type { RpcStatus, Variant } from '../xds/types.ts';

// A recording is a text file, a JSON object a line: first the header, then what happened on upstream streams, in order.

/** What the first line says. */
export interface RecordingHeader {
  readonly weir: 'recording';
  readonly version: 1;
  /** Wall time of its begin, as ISO 8601. */
  readonly begun: string;
}

/** The header of a recording that begins at this wall time in ms. */
export function headerOf(wallMs: number): RecordingHeader {
  return { weir: 'recording', version: 1, begun: new Date(wallMs).toISOString() };
}

/** A request as it was written upstream, without the Node but for its id. */
export interface RecordedRequest {
  readonly typeUrl: string;
  /** `node.id`, where the request carried a node. */
  readonly nodeId?: string;
  /** SotW: `version_info`. */
  readonly version?: string;
  readonly nonce?: string;
  /** SotW: all names; `same` for those of the request of the type before. Delta: names to subscribe. */
  readonly names?: readonly string[] | 'same';
  readonly unsubscribe?: readonly string[];
  /** Delta: how many resources it said to hold. */
  readonly held?: number;
  readonly error?: RpcStatus;
}

/** What happened on an upstream stream. */
export type RecordedEvent = {
  /** Ms since the begin. */
  readonly at: number;
  readonly stream: number;
} & (
  | { readonly kind: 'open'; readonly variant: Variant; readonly address: string }
  | { readonly kind: 'opened' }
  | { readonly kind: 'request'; readonly request: RecordedRequest }
  | {
      readonly kind: 'response';
      readonly typeUrl: string;
      readonly nonce: string;
      readonly version: string;
      /** Number of resources. */
      readonly resources: number;
      /** Resources whose bodies were left out: keys, and what must not be cached. */
      readonly redacted?: readonly string[];
      /** The encoded response. */
      readonly bytes: Buffer;
    }
  /** A response that cannot be read; not kept if it may hold a key. */
  | { readonly kind: 'garbage'; readonly length: number; readonly bytes?: Buffer }
  /** The server has announced that it closes the connection. */
  | { readonly kind: 'leaving' }
  | { readonly kind: 'ended'; readonly status: RpcStatus }
  /** The agent ended it. */
  | { readonly kind: 'closed' }
);

/** An event as a line, with its line end. */
export function encodeEvent(event: RecordedEvent): string {
  if (!('bytes' in event) || !event.bytes) return `${JSON.stringify(event)}\n`;
  return `${JSON.stringify({ ...event, bytes: event.bytes.toString('base64') })}\n`;
}

const kinds: ReadonlySet<unknown> = new Set([
  'open',
  'opened',
  'request',
  'response',
  'garbage',
  'leaving',
  'ended',
  'closed',
]);

/** A line of a recording, or what is wrong with it. */
export function readLine(line: string, number: number): RecordingHeader | RecordedEvent | { readonly error: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { error: `line ${number} is no JSON` };
  }
  if (typeof value !== 'object' || value === null) return { error: `line ${number} is no JSON object` };
  const record: Readonly<Record<string, unknown>> = { ...value };
  if (number === 1) {
    const { weir, version } = record;
    if (weir !== 'recording') return { error: 'it is no recording of weir record' };
    if (version !== 1) return { error: `it has version ${String(version)}, and this Weir reads version 1` };
    return { weir, version, begun: String(record['begun'] ?? '') };
  }
  const { kind, at, stream, bytes } = record;
  if (!kinds.has(kind) || typeof at !== 'number' || typeof stream !== 'number') {
    return { error: `line ${number} is no event of a recording` };
  }
  const isComplete =
    (kind !== 'request' || (typeof record['request'] === 'object' && record['request'] !== null)) &&
    (kind !== 'response' || (typeof bytes === 'string' && typeof record['typeUrl'] === 'string')) &&
    (kind !== 'ended' || (typeof record['status'] === 'object' && record['status'] !== null)) &&
    (kind !== 'open' || record['variant'] === 'delta' || record['variant'] === 'sotw');
  if (!isComplete) return { error: `line ${number}: the ${String(kind)} lacks a part` };
  const event = typeof bytes === 'string' ? { ...record, bytes: Buffer.from(bytes, 'base64') } : record;
  return event as unknown as RecordedEvent; // Its kind, and the parts that a replay needs, were looked at.
}
