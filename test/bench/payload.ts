import type { Variant } from '../../src/demo/envelopes.ts';
import { bytes, message, nested, text, texts } from '../../src/demo/proto.ts';
import { encodeCluster, encodeEndpoints, typeUrls } from '../../src/demo/resources.ts';
import { eachField, numberAtEnd } from './tag-walk.ts';

// What the bench serves. Every resource of a type has the same length and the stamp of its last change stands in its last
// bytes: a new state is the old one with some digits written over, and reading costs less than what is measured.

/** Digits of stamps, versions and nonces: microseconds of the monotonic clock, or a count, with leading zeros. */
const stampDigits = 16;
const indexDigits = 6;
const noStamp = '0'.repeat(stampDigits);
/** Makes a cluster and its endpoints about 420 bytes of a Delta response, as they are in xdslab. */
const padding = 'x'.repeat(72);

/** The two types of the bench; each cluster brings the endpoints of its name. */
export type Kind = 'cluster' | 'endpoints';

/** Now, in whole microseconds of the clock that all processes of a machine share. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

const digitsOf = (value: number): string => String(value).padStart(stampDigits, '0');
const nameOf = (index: number): string => `c-${String(index).padStart(indexDigits, '0')}`;

/**
 * A body like those of xdslab without padding: an EDS cluster with a stamp in its metadata, or two endpoints.
 *
 * @param owner node whose own it is, which makes it differ from all others; 0 for what is everybody's
 */
function bodyOf(kind: Kind, index: number, owner: number): Buffer {
  const name = nameOf(index);
  if (kind === 'cluster') {
    const field = (key: string, value: string) => nested(1, text(1, key), nested(2, text(3, value)));
    const pad = owner === 0 ? padding : String(owner).padStart(padding.length, '0');
    const fields = nested(2, field('pad', pad), field('stamp', noStamp));
    return Buffer.concat([encodeCluster(name), message(nested(25, nested(1, text(1, 'bench'), fields)))]);
  }
  // Ports from 16384 on have three bytes each.
  const port = 20_000 + ((index * 7 + owner * 2) % 40_000);
  const host = '127.0.0.1';
  return encodeEndpoints(name, [
    { host, port },
    { host, port: port + 1 },
  ]);
}

/** The fields of the `Any`. */
function anyOf(kind: Kind, index: number, owner: number) {
  return [text(1, typeUrls[kind]), bytes(2, bodyOf(kind, index, owner))];
}

function entryOf(kind: Kind, variant: Variant, index: number, owner: number): Buffer {
  const any = anyOf(kind, index, owner);
  if (variant === 'sotw') return message(nested(2, ...any));
  return message(nested(2, text(3, nameOf(index)), text(1, noStamp), nested(2, ...any)));
}

/** All resources of a type, encoded as a control plane sends them in one variant. */
export class ResourceList {
  /** Of each body alone, an encoded `Any`. */
  readonly bodyBytes: number;
  readonly #kind: Kind;
  readonly #entryBytes: number;
  /** Where in an entry digits of a stamp stand: version and body in Delta, the body in SotW, nothing in endpoints. */
  readonly #digitsAt: readonly number[];
  /** One entry after the other, changed in place; what leaves is a copy. */
  readonly #entries: Buffer;

  /**
   * @param count resources
   * @param own node whose own the last of them are, and how many
   */
  constructor(kind: Kind, variant: Variant, count: number, own = { owner: 0, count: 0 }) {
    const shared = count - own.count;
    const entries = Array.from({ length: count }, (_, index) =>
      entryOf(kind, variant, index, index < shared ? 0 : own.owner),
    );
    const first = entries[0] ?? Buffer.alloc(0);
    this.bodyBytes = message(...anyOf(kind, 0, 0)).length;
    if (entries.some(entry => entry.length !== first.length)) throw new Error(`${kind}: entries differ in length`);
    this.#kind = kind;
    this.#entryBytes = first.length;
    this.#entries = Buffer.concat(entries);
    const places = [first.indexOf(noStamp), first.lastIndexOf(noStamp)].filter(at => at !== -1);
    this.#digitsAt = [...new Set(places)];
  }

  /** Marks resources as changed. @param stampUs when, by {@link nowUs} */
  stamp(indices: readonly number[], stampUs: number): void {
    const digits = digitsOf(stampUs);
    for (const index of indices) {
      for (const at of this.#digitsAt) this.#entries.write(digits, index * this.#entryBytes + at, 'latin1');
    }
  }

  /**
   * A response, the same in both variants but for its entries.
   *
   * @param indices which resources; undefined for all
   * @param revision becomes version and nonce
   * @returns a buffer of the caller's own
   */
  response(indices: readonly number[] | undefined, revision: number): Buffer {
    const bytesEach = this.#entryBytes;
    const entries =
      indices === undefined
        ? [this.#entries]
        : indices.map(index => this.#entries.subarray(index * bytesEach, (index + 1) * bytesEach));
    const tail = message(text(4, typeUrls[this.#kind]), text(5, digitsOf(revision)));
    return Buffer.concat([message(text(1, digitsOf(revision))), ...entries, tail]);
  }
}

/** The `resource_names` field of a request for resources `from` to `to` (exclusive), in either variant. */
export function namesField(from: number, to: number): Buffer {
  return message(
    texts(
      3,
      Array.from({ length: to - from }, (_, offset) => nameOf(from + offset)),
    ),
  );
}

const kinds: ReadonlyMap<string, Kind> = new Map([
  [typeUrls.cluster, 'cluster'],
  [typeUrls.endpoints, 'endpoints'],
]);

/** What the bench reads of a request or a response. */
export interface Envelope {
  readonly kind: Kind | undefined;
  readonly typeUrl: string;
  readonly nonce: string;
}

/** A request as the control plane of the bench reads it. */
export interface BenchRequest extends Envelope {
  /** Indices of the resources named: all in SotW, the added ones in Delta. `*` is left out. */
  readonly indices: readonly number[];
  readonly isRejection: boolean;
  /** The number that the node id ends with, undefined where the request brings no node. */
  readonly node: number | undefined;
}

/** The number at the end of a node's id, its field 1; 0 without one. */
function nodeNumberIn(buffer: Buffer, start: number, end: number): number {
  let found = 0;
  eachField(buffer, start, end, (number, from, to) => {
    if (number === 1) found = Number(/\d*$/.exec(buffer.toString('latin1', from, to))?.[0]);
  });
  return found;
}

/** Reads a request. @throws Error when the bytes are no request for resources of the bench */
export function readRequest(buffer: Buffer, variant: Variant): BenchRequest {
  const [nodeAt, typeAt, nonceAt, errorAt] = variant === 'delta' ? [1, 2, 6, 7] : [2, 4, 5, 6];
  let typeUrl = '';
  let nonce = '';
  let isRejection = false;
  let node: number | undefined;
  const indices: number[] = [];
  eachField(buffer, 0, buffer.length, (number, from, to) => {
    if (number === typeAt) typeUrl = buffer.toString('latin1', from, to);
    else if (number === nonceAt) nonce = buffer.toString('latin1', from, to);
    else if (number === errorAt) isRejection = true;
    else if (number === nodeAt) node = nodeNumberIn(buffer, from, to);
    else if (number === 3 && to - from > 1) indices.push(numberAtEnd(buffer, to, indexDigits));
  });
  return { kind: kinds.get(typeUrl), typeUrl, nonce, indices, isRejection, node };
}

/** A response as a client of the bench reads it before its resources. */
export interface BenchResponse extends Envelope {
  readonly version: string;
  readonly resources: number;
  /** Names in `removed_resources`; 0 in SotW. */
  readonly removed: number;
}

/** Reads all of a response but its resources. @throws Error when the bytes are no protobuf message */
export function readResponse(buffer: Buffer, variant: Variant): BenchResponse {
  let [typeUrl, nonce, version] = ['', '', ''];
  let [resources, removed] = [0, 0];
  eachField(buffer, 0, buffer.length, (number, from, to) => {
    if (number === 2) resources += 1;
    else if (number === 4) typeUrl = buffer.toString('latin1', from, to);
    else if (number === 5) nonce = buffer.toString('latin1', from, to);
    else if (number === 1) version = buffer.toString('latin1', from, to);
    else if (number === 6 && variant === 'delta') removed += 1;
  });
  return { kind: kinds.get(typeUrl), typeUrl, nonce, version, resources, removed };
}

/**
 * Visits the resources of a response.
 *
 * @param visit gets the index in the name and, for clusters, the stamp in µs (0 before the first change); 0 for endpoints
 * @throws Error when a resource is not one of the bench
 */
export function eachResource(
  buffer: Buffer,
  variant: Variant,
  kind: Kind,
  visit: (index: number, stampUs: number) => void,
): void {
  const body = (from: number, to: number): void => {
    // A body begins with its name: tag, length, text.
    const nameEnd = from + 2 + (buffer[from + 1] ?? 0);
    visit(numberAtEnd(buffer, nameEnd, indexDigits), kind === 'cluster' ? numberAtEnd(buffer, to, stampDigits) : 0);
  };
  const any = (from: number, to: number): void =>
    eachField(buffer, from, to, (number, start, end) => {
      if (number === 2) body(start, end);
    });
  eachField(buffer, 0, buffer.length, (number, from, to) => {
    if (number !== 2) return;
    if (variant === 'sotw') any(from, to);
    else
      eachField(buffer, from, to, (inner, start, end) => {
        if (inner === 2) any(start, end);
      });
  });
}
