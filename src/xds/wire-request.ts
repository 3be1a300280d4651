import protobuf from 'protobufjs/minimal.js';
import type { DeltaRequest, SotwRequest } from './discovery.ts';
import type { Nonce, RpcStatus, TypeUrl } from './types.ts';

const { Reader, Writer } = protobuf;
type Reader = protobuf.Reader;

/** Bounds on what one request may hold; a request past one is refused whole (R123). */
export interface RequestLimits {
  /** Most names in one list of a request. */
  readonly namesMax: number;
  /** Longest name, type URL, version or nonce in bytes. */
  readonly nameBytesMax: number;
  /** Largest encoded Node in bytes; Envoy's has 61 kB (R40). */
  readonly nodeBytesMax: number;
}

/** Why a request cannot be used. `limit` names the setting when the request is well-formed but too large. */
export interface RequestError {
  readonly error: string;
  readonly limit: RequestLimit | undefined;
}

/** Settings that a request can be past. */
export type RequestLimit = 'namesPerTypeMax' | 'nameBytesMax' | 'nodeBytesMax';

class LimitError extends Error {
  readonly limit: RequestLimit;
  constructor(limit: RequestLimit, message: string) {
    super(message);
    this.limit = limit;
  }
}

/** Passed over, a request with nothing else would ask for everything (R27). */
const noLocators = 'it holds resource locators with dynamic parameters, which Weir does not serve; ask by name';

/** A text error of a client is kept to this many bytes: Envoy quotes whole resources in it (R52, R101). */
const errorTextMax = 4096;

/**
 * Decodes a `DiscoveryRequest`. Strings are copies; `node` is a copy too, because the request buffer dies and the Node stays.
 *
 * @returns the request, or what is wrong with the bytes
 */
export function decodeSotwRequest(bytes: Buffer, limits: RequestLimits): SotwRequest | RequestError {
  return decodeGuarded(() => {
    const reader = Reader.create(bytes);
    let node: Buffer | undefined;
    let typeUrl = '';
    let versionInfo = '';
    let responseNonce = '';
    let errorDetail: RpcStatus | undefined;
    const resourceNames: string[] = [];
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 0x0a) versionInfo = readText(reader, limits);
      else if (tag === 0x12) node = readNode(reader, limits);
      else if (tag === 0x1a) pushName(resourceNames, readText(reader, limits), limits);
      else if (tag === 0x22) typeUrl = readText(reader, limits);
      else if (tag === 0x2a) responseNonce = readText(reader, limits);
      else if (tag === 0x32) errorDetail = readStatus(reader);
      else if (tag === 0x3a) throw new Error(noLocators);
      else reader.skipType(tag & 7);
    }
    return {
      node,
      typeUrl: typeUrl as TypeUrl,
      versionInfo,
      resourceNames,
      responseNonce: responseNonce as Nonce,
      errorDetail,
    };
  });
}

/** Decodes a `DeltaDiscoveryRequest`; as {@link decodeSotwRequest}. */
export function decodeDeltaRequest(bytes: Buffer, limits: RequestLimits): DeltaRequest | RequestError {
  return decodeGuarded(() => {
    const reader = Reader.create(bytes);
    let node: Buffer | undefined;
    let typeUrl = '';
    let responseNonce = '';
    let errorDetail: RpcStatus | undefined;
    const subscribe: string[] = [];
    const unsubscribe: string[] = [];
    const initialResourceVersions = new Map<string, string>();
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 0x0a) node = readNode(reader, limits);
      else if (tag === 0x12) typeUrl = readText(reader, limits);
      else if (tag === 0x1a) pushName(subscribe, readText(reader, limits), limits);
      else if (tag === 0x22) pushName(unsubscribe, readText(reader, limits), limits);
      else if (tag === 0x2a) readVersion(reader, initialResourceVersions, limits);
      else if (tag === 0x32) responseNonce = readText(reader, limits);
      else if (tag === 0x3a) errorDetail = readStatus(reader);
      else if (tag === 0x42 || tag === 0x4a) throw new Error(noLocators);
      else reader.skipType(tag & 7);
    }
    return {
      node,
      typeUrl: typeUrl as TypeUrl,
      subscribe,
      unsubscribe,
      initialResourceVersions,
      responseNonce: responseNonce as Nonce,
      errorDetail,
    };
  });
}

/** Encodes a `DiscoveryRequest` for the control plane. */
export function encodeSotwRequest(request: SotwRequest): Buffer {
  const writer = Writer.create();
  if (request.versionInfo !== '') writer.uint32(0x0a).string(request.versionInfo);
  if (request.node) writer.uint32(0x12).bytes(request.node);
  for (const name of request.resourceNames) writer.uint32(0x1a).string(name);
  if (request.typeUrl !== '') writer.uint32(0x22).string(request.typeUrl);
  if (request.responseNonce !== '') writer.uint32(0x2a).string(request.responseNonce);
  if (request.errorDetail) writeStatus(writer.uint32(0x32), request.errorDetail);
  return writer.finish() as Buffer;
}

/** Encodes a `DeltaDiscoveryRequest` for the control plane. */
export function encodeDeltaRequest(request: DeltaRequest): Buffer {
  const writer = Writer.create();
  if (request.node) writer.uint32(0x0a).bytes(request.node);
  if (request.typeUrl !== '') writer.uint32(0x12).string(request.typeUrl);
  for (const name of request.subscribe) writer.uint32(0x1a).string(name);
  for (const name of request.unsubscribe) writer.uint32(0x22).string(name);
  for (const [name, version] of request.initialResourceVersions) {
    // A map entry is a message with key = 1 and value = 2; an empty value may be left out, but Istio's peers write it.
    writer.uint32(0x2a).fork().uint32(0x0a).string(name).uint32(0x12).string(version).ldelim();
  }
  if (request.responseNonce !== '') writer.uint32(0x32).string(request.responseNonce);
  if (request.errorDetail) writeStatus(writer.uint32(0x3a), request.errorDetail);
  return writer.finish() as Buffer;
}

/** A Node as configured, for a control plane that is to see one identity whatever connects (R68). */
export interface ConfiguredNode {
  readonly id: string;
  readonly cluster: string;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Encodes an `envoy.config.core.v3.Node` from configuration. */
export function encodeNode(node: ConfiguredNode): Buffer {
  const writer = Writer.create();
  if (node.id !== '') writer.uint32(0x0a).string(node.id);
  if (node.cluster !== '') writer.uint32(0x12).string(node.cluster);
  if (Object.keys(node.metadata).length > 0) {
    writeStruct(writer.uint32(0x1a).fork(), node.metadata);
    writer.ldelim();
  }
  if (node.region !== '' || node.zone !== '' || node.subZone !== '') {
    writer.uint32(0x22).fork();
    if (node.region !== '') writer.uint32(0x0a).string(node.region);
    if (node.zone !== '') writer.uint32(0x12).string(node.zone);
    if (node.subZone !== '') writer.uint32(0x1a).string(node.subZone);
    writer.ldelim();
  }
  return writer.uint32(0x32).string('weir').finish() as Buffer;
}

function decodeGuarded<T>(decode: () => T): T | RequestError {
  try {
    return decode();
  } catch (error) {
    // protobufjs throws RangeError for truncated input and Error for bad wire types: both are the sender's fault.
    const message = error instanceof Error ? error.message : String(error);
    return { error: message, limit: error instanceof LimitError ? error.limit : undefined };
  }
}

function readText(reader: Reader, limits: RequestLimits): string {
  const start = reader.pos;
  const length = reader.uint32();
  if (length > limits.nameBytesMax) {
    throw new LimitError('nameBytesMax', `a name has ${length} bytes, ${limits.nameBytesMax} are allowed`);
  }
  reader.pos = start;
  return reader.string();
}

function pushName(names: string[], name: string, limits: RequestLimits): void {
  if (names.length >= limits.namesMax) {
    throw new LimitError('namesPerTypeMax', `a request names more than ${limits.namesMax} resources`);
  }
  names.push(name);
}

function readNode(reader: Reader, limits: RequestLimits): Buffer {
  const bytes = reader.bytes();
  if (bytes.length > limits.nodeBytesMax) {
    throw new LimitError('nodeBytesMax', `the node has ${bytes.length} bytes, ${limits.nodeBytesMax} are allowed`);
  }
  return Buffer.from(bytes);
}

function readStatus(reader: Reader): RpcStatus {
  const end = reader.uint32() + reader.pos;
  let code = 0;
  let message = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x08) code = reader.int32();
    else if (tag === 0x12) message = clipped(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return { code, message };
}

/** Made of the bytes kept only: a part of a long string would hold on to all of it. */
function clipped(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, errorTextMax)).toString('utf8');
  return bytes.length > errorTextMax ? `${text}…` : text;
}

function writeStatus(writer: protobuf.Writer, status: RpcStatus): void {
  writer.fork().uint32(0x08).int32(status.code).uint32(0x12).string(status.message).ldelim();
}

function readVersion(reader: Reader, versions: Map<string, string>, limits: RequestLimits): void {
  const end = reader.uint32() + reader.pos;
  let name = '';
  let version = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) name = readText(reader, limits);
    else if (tag === 0x12) version = readText(reader, limits);
    else reader.skipType(tag & 7);
  }
  if (versions.size >= limits.namesMax) {
    throw new LimitError('namesPerTypeMax', `a request lists more than ${limits.namesMax} versions`);
  }
  versions.set(name, version);
}

function writeStruct(writer: protobuf.Writer, fields: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(fields)) {
    writer.uint32(0x0a).fork().uint32(0x0a).string(key).uint32(0x12).fork();
    writeValue(writer, value);
    writer.ldelim().ldelim();
  }
}

function writeValue(writer: protobuf.Writer, value: unknown): void {
  if (typeof value === 'number') writer.uint32(0x11).double(value);
  else if (typeof value === 'string') writer.uint32(0x1a).string(value);
  else if (typeof value === 'boolean') writer.uint32(0x20).bool(value);
  else if (Array.isArray(value)) {
    writer.uint32(0x32).fork();
    for (const item of value) {
      writer.uint32(0x0a).fork();
      writeValue(writer, item);
      writer.ldelim();
    }
    writer.ldelim();
  } else if (typeof value === 'object' && value !== null) {
    writer.uint32(0x2a).fork();
    writeStruct(writer, value as Record<string, unknown>); // JSON objects only: the settings are checked.
    writer.ldelim();
  } else writer.uint32(0x08).int32(0);
}
