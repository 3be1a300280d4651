import { readNode } from '../xds/node.ts';
import type { RpcStatus, Variant } from '../xds/types.ts';
import { decodeDeltaRequest, decodeSotwRequest } from '../xds/wire-request.ts';
import { decodeResponse } from '../xds/wire-response.ts';
import { encodeEvent, headerOf, type RecordedEvent, type RecordedRequest } from './format.ts';
import { mayHoldKey, redactResponse, withoutKey } from './redact.ts';

/** What happens on upstream streams, as the agent hears of it and does it. */
export type Conversation =
  | { readonly kind: 'open_upstream'; readonly streamId: number; readonly variant: Variant; readonly address: string }
  | { readonly kind: 'send_upstream'; readonly streamId: number; readonly bytes: Buffer }
  | { readonly kind: 'close_upstream'; readonly streamId: number }
  | { readonly kind: 'upstream_opened'; readonly streamId: number }
  | { readonly kind: 'upstream_response'; readonly streamId: number; readonly bytes: Buffer }
  | { readonly kind: 'upstream_leaving'; readonly streamId: number }
  | { readonly kind: 'upstream_closed'; readonly streamId: number; readonly code: number; readonly message: string }
  /** Says nothing of the conversation. */
  | { readonly kind: 'upstream_writable' | 'upstream_alive' | 'probe_upstream'; readonly streamId: number };

/** Where a recording goes. */
export interface RecordingSink {
  /** Takes a line. Returns whether it wants more. */
  readonly line: (text: string) => boolean;
  /** Nothing more comes, since the agent ends. */
  readonly end: () => void;
}

interface RecordedStream {
  readonly variant: Variant;
  /** Names of the request of each type before, in SotW. */
  readonly names: Map<string, string>;
}

interface Recording {
  readonly sink: RecordingSink;
  readonly begunMs: number;
  readonly streams: Map<number, RecordedStream>;
}

const noLimits = { namesMax: Infinity, nameBytesMax: Infinity, nodeBytesMax: Infinity };

/** Writes down what is said on upstream streams, without keys, tokens, headers, or what nodes say of themselves but for their ids. */
export class Recorder {
  readonly #recordings = new Set<Recording>();

  /** Recordings under way. */
  get size(): number {
    return this.#recordings.size;
  }

  /**
   * Begins a recording. Streams that stand already are not in it: their begin is missing.
   *
   * @returns how to end it
   */
  begin(sink: RecordingSink, nowMs: number, wallMs: number): () => void {
    const recording: Recording = { sink, begunMs: nowMs, streams: new Map() };
    if (sink.line(`${JSON.stringify(headerOf(wallMs))}\n`)) this.#recordings.add(recording);
    return () => this.#recordings.delete(recording);
  }

  /** Ends all recordings. */
  end(): void {
    for (const { sink } of this.#recordings) sink.end();
    this.#recordings.clear();
  }

  /** Something was said or done. Free of cost while nobody records. */
  observe(what: Conversation, nowMs: number): void {
    for (const recording of this.#recordings) {
      const event = eventOf(recording, what);
      if (!event) continue;
      const at = Math.round((nowMs - recording.begunMs) * 10) / 10;
      const line = encodeEvent({ at, stream: what.streamId, ...event } as RecordedEvent); // One of its members, made below.
      if (!recording.sink.line(line)) this.#recordings.delete(recording);
    }
  }
}

type Told = RecordedEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at' | 'stream'> : never) : never;

function eventOf({ streams }: Recording, what: Conversation): Told | undefined {
  const { streamId } = what;
  if (what.kind === 'open_upstream') {
    const { variant, address } = what;
    streams.set(streamId, { variant, names: new Map() });
    return { kind: 'open', variant, address };
  }
  const stream = streams.get(streamId);
  if (!stream) return undefined;
  switch (what.kind) {
    case 'upstream_opened':
      return { kind: 'opened' };
    case 'send_upstream':
      return { kind: 'request', request: shortened(readRequest(what.bytes, stream.variant), stream) };
    case 'upstream_response':
      return responseOf(what.bytes, stream.variant);
    case 'upstream_leaving':
      return { kind: 'leaving' };
    case 'upstream_closed':
      streams.delete(streamId);
      return { kind: 'ended', status: endOf(what) };
    case 'close_upstream':
      streams.delete(streamId);
      return { kind: 'closed' };
    default:
      return undefined;
  }
}

const endOf = ({ code, message }: RpcStatus): RpcStatus => ({ code, message: withoutKey(message) });

/** A request in the words of a recording. Bytes that are none have no type. */
export function readRequest(bytes: Buffer, variant: Variant): RecordedRequest {
  const request = variant === 'sotw' ? decodeSotwRequest(bytes, noLimits) : decodeDeltaRequest(bytes, noLimits);
  if ('error' in request) return { typeUrl: '' };
  const { typeUrl, node, responseNonce: nonce, errorDetail: error } = request;
  const identity = node && readNode(node);
  const common = {
    typeUrl,
    ...(identity && !('error' in identity) && { nodeId: identity.id }),
    ...(nonce !== '' && { nonce }),
    ...(error && { error: endOf(error) }),
  };
  if ('resourceNames' in request) {
    const { versionInfo: version, resourceNames: names } = request;
    return { ...common, ...(version !== '' && { version }), names };
  }
  const { subscribe, unsubscribe, initialResourceVersions } = request;
  return {
    ...common,
    ...(subscribe.length > 0 && { names: subscribe }),
    ...(unsubscribe.length > 0 && { unsubscribe }),
    ...(initialResourceVersions.size > 0 && { held: initialResourceVersions.size }),
  };
}

/** In SotW every request has all names, of which thousands are the same as before. */
function shortened(request: RecordedRequest, { variant, names: before }: RecordedStream): RecordedRequest {
  const { typeUrl, names } = request;
  if (variant === 'delta' || names === undefined || names === 'same') return request;
  const key = names.join('\n');
  const isSame = before.get(typeUrl) === key && names.length > 0;
  before.set(typeUrl, key);
  return isSame ? { ...request, names: 'same' } : request;
}

function responseOf(bytes: Buffer, variant: Variant): Told {
  const redacted = redactResponse(bytes, variant);
  const read = decodeResponse(bytes, variant, Infinity);
  if (!redacted) {
    const { length } = bytes;
    return mayHoldKey(bytes) ? { kind: 'garbage', length } : { kind: 'garbage', length, bytes };
  }
  return {
    kind: 'response',
    typeUrl: read.typeUrl,
    nonce: read.nonce,
    version: read.versionInfo,
    resources: 'resources' in read ? read.resources.length : 0,
    ...(redacted.redacted.length > 0 && { redacted: redacted.redacted }),
    bytes: redacted.bytes,
  };
}
