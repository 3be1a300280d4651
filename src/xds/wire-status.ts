import protobuf from 'protobufjs/minimal.js';
import { TagWalk, WireError } from './tag-walk.ts';

const { Writer } = protobuf;
type Out = protobuf.Writer;

/** `envoy.service.status.v3.ConfigStatus`. */
export const configStatus = { unknown: 0, synced: 1, notSent: 2, stale: 3, error: 4 } as const;

/** `envoy.admin.v3.ClientResourceStatus`. */
export const clientStatus = { requested: 1, doesNotExist: 2, acked: 3, nacked: 4, receivedError: 5 } as const;

/** One resource of one client (rulebook 1.3, CSDS). */
export interface ResourceStatus {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
  /** Encoded `google.protobuf.Any`; undefined where there is none, or it must not be shown. */
  readonly any: Buffer | undefined;
  /** Wall time in ms; undefined when nothing ever came. */
  readonly updatedWallMs: number | undefined;
  /** One of {@link configStatus}. */
  readonly config: number;
  /** One of {@link clientStatus}. */
  readonly client: number;
  /** Why the client, or the control plane, did not take it or give it. */
  readonly error: string | undefined;
}

/** One client. */
export interface ClientConfig {
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly userAgentName: string;
  readonly userAgentVersion: string;
  readonly resources: () => Iterable<ResourceStatus>;
}

const none = new Uint8Array();

/**
 * Makes a `ClientStatusResponse`, a resource at a step.
 *
 * @param bytesMax largest answer
 * @returns undefined when it would be larger
 */
export function* encodeClientStatus(
  clients: Iterable<ClientConfig>,
  bytesMax: number,
): Generator<void, Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const client of clients) {
    const head = headOf(client);
    // The length of the whole stands before it.
    const tagAt = parts.push(none, head) - 2;
    let length = head.length;
    for (const resource of client.resources()) {
      const part = resourceOf(resource);
      parts.push(part);
      length += part.length;
      if (size + length > bytesMax) return undefined;
      yield;
    }
    const tag = Writer.create()
      .uint32((1 << 3) | 2)
      .uint32(length)
      .finish();
    parts[tagAt] = tag;
    size += tag.length + length;
    if (size > bytesMax) return undefined;
    yield;
  }
  return Buffer.concat(parts, size);
}

function text(out: Out, field: number, value: string): void {
  if (value !== '') out.uint32((field << 3) | 2).string(value);
}

function nested(out: Out, field: number, write: () => void): void {
  out.uint32((field << 3) | 2).fork();
  write();
  out.ldelim();
}

function headOf({ nodeId, nodeCluster, userAgentName, userAgentVersion }: ClientConfig): Uint8Array {
  const out = Writer.create();
  nested(out, 1, () => {
    text(out, 1, nodeId);
    text(out, 2, nodeCluster);
    text(out, 6, userAgentName);
    text(out, 7, userAgentVersion);
  });
  text(out, 4, nodeId);
  return out.finish();
}

function resourceOf(one: ResourceStatus): Uint8Array {
  const out = Writer.create();
  const { updatedWallMs, error } = one;
  nested(out, 3, () => {
    text(out, 1, one.typeUrl);
    text(out, 2, one.name);
    text(out, 3, one.version);
    if (one.any) out.uint32((4 << 3) | 2).bytes(one.any);
    if (updatedWallMs !== undefined) {
      nested(out, 5, () => {
        out.uint32(1 << 3).int64(Math.floor(updatedWallMs / 1000));
        out.uint32(2 << 3).int32((updatedWallMs % 1000) * 1_000_000);
      });
    }
    out.uint32(6 << 3).int32(one.config);
    out.uint32(7 << 3).int32(one.client);
    if (error !== undefined) {
      nested(out, 8, () => {
        text(out, 3, error);
        text(out, 4, one.version);
      });
    }
  });
  return out.finish();
}

/** Which clients are asked about. */
export interface StatusRequest {
  /** Whether a node id is meant by any of the matchers; all are without one. */
  readonly isAsked: (nodeId: string) => boolean;
  readonly excludesBodies: boolean;
}

const matchersMax = 100;

/** Reads a `ClientStatusRequest`. @returns what is wrong with it, if so */
export function readStatusRequest(bytes: Buffer): StatusRequest | { readonly error: string } {
  const matchers: ((nodeId: string) => boolean)[] = [];
  let excludesBodies = false;
  try {
    const walk = new TagWalk(bytes);
    while (walk.next()) {
      if (walk.field === 1 && walk.wireType === 2) {
        const matcher = readMatcher(walk.message());
        if (typeof matcher === 'string') return { error: matcher };
        matchers.push(matcher);
        if (matchers.length > matchersMax) return { error: `more than ${matchersMax} node_matchers` };
      } else if (walk.field === 3 && walk.wireType === 0) excludesBodies = walk.varint !== 0;
    }
  } catch (error) {
    if (error instanceof WireError) return { error: `the request cannot be decoded: ${error.message}` };
    throw error;
  }
  const isAsked = (id: string): boolean => matchers.length === 0 || matchers.some(matches => matches(id));
  return { isAsked, excludesBodies };
}

/** One `NodeMatcher`: of the id only. A regular expression from outside could be made to take for ever. */
function readMatcher(walk: TagWalk): ((nodeId: string) => boolean) | string {
  let matches = (_: string): boolean => true;
  while (walk.next()) {
    if (walk.field === 2) return 'node_metadatas of node_matchers are not supported; match by node_id';
    if (walk.field !== 1 || walk.wireType !== 2) continue;
    const inner = walk.message();
    let kind = 0;
    let value = '';
    let ignoresCase = false;
    while (inner.next()) {
      if (inner.field === 6 && inner.wireType === 0) ignoresCase = inner.varint !== 0;
      else if (inner.wireType === 2 && inner.field <= 7) {
        kind = inner.field;
        value = kind === 5 ? '' : inner.text();
      }
    }
    const compare = comparisons[kind];
    if (!compare) return 'node_id of node_matchers must be exact, prefix, suffix or contains';
    const fold = (given: string): string => (ignoresCase ? given.toLowerCase() : given);
    matches = id => compare(fold(id), fold(value));
  }
  return matches;
}

/** By field number of `envoy.type.matcher.v3.StringMatcher`. */
const comparisons: Readonly<Record<number, (id: string, value: string) => boolean>> = {
  1: (id, value) => id === value,
  2: (id, value) => id.startsWith(value),
  3: (id, value) => id.endsWith(value),
  7: (id, value) => id.includes(value),
};
