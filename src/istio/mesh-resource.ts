import { encodeJson, type SpecProblem } from '../proto/json-reader.ts';
import { isObject, shown } from '../proto/json-scalars.ts';
import { isSpecial, messageJson } from '../proto/json-writer.ts';
import { type ProtoMessage, valueAt } from '../proto/proto-message.ts';
import { decodeMessage } from '../proto/wire.ts';
import { digestOf } from '../xds/digest.ts';
import { nearest } from '../xds/nearest.ts';
import { bytesField, textField } from '../xds/tag-walk.ts';
import { type IstioKind, kindOfObject, kindOfTypeUrl, meshConfigTypeUrl } from './kinds.ts';
import { istioMessages } from './messages.ts';
import { type ObjectMeta, readObjectMeta } from './object-meta.ts';

/** One resource as MCP carries it. */
export interface MeshResource {
  /** `namespace/name`. */
  readonly name: string;
  /** As in its metadata. istiod takes a resource for unchanged while this is. */
  readonly version: string;
  /** Encoded `google.protobuf.Any` of an `istio.mcp.v1alpha1.Resource`; nobody may change it. */
  readonly any: Buffer;
}

const anyPrefix = 'type.googleapis.com/';
const resourceMessage = 'istio.mcp.v1alpha1.Resource';
const metadataMessage = 'istio.mcp.v1alpha1.Metadata';
const meshConfigMessage = 'istio.mesh.v1alpha1.MeshConfig';

/** What stands at the top of an object. `status` is of istiod's, and does not travel. */
const membersOfObjects = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

/** All problems of an object. */
export interface SpecProblems {
  readonly problems: readonly SpecProblem[];
}

/**
 * Makes the resource of a Kubernetes-shaped object: checks names, namespace and labels by the rules of Kubernetes, and `spec` by the
 * description of its message ({@link encodeJson}). What only Istio's own validation knows is not checked. It never throws.
 *
 * @param object plain data; `apiVersion` and `kind` may be left out, but not be those of another kind
 * @param options `defaultNamespace` for an object that names none; `version` instead of `metadata.resourceVersion`, and of a digest of
 *   the content where neither is given
 */
export function meshResourceOf(
  kind: IstioKind,
  object: unknown,
  options: { readonly defaultNamespace: string; readonly version?: string },
): MeshResource | SpecProblems {
  if (!isObject(object)) return { problems: [{ path: [], text: `must be an object, not ${shown(object)}` }] };
  const meta = readObjectMeta(object['metadata'], options.defaultNamespace);
  const body = encodeJson(istioMessages, kind.message, object['spec']);
  const problems = [
    ...problemsOfTop(kind, object),
    ...('problems' in meta ? meta.problems : []),
    ...(Buffer.isBuffer(body) ? [] : body.problems.map(({ path, text }) => ({ path: ['spec', ...path], text }))),
  ];
  if (problems.length > 0 || 'problems' in meta || !Buffer.isBuffer(body)) return { problems };
  const name = `${meta.namespace}/${meta.name}`;
  const bodyAny = anyOf(kind.message, body);
  const given = options.version ?? meta.resourceVersion;
  let metadata = encodeMetadata(name, meta, given);
  const version = given ?? (Buffer.isBuffer(metadata) ? digestOf(Buffer.concat([metadata, bodyAny])) : '');
  if (given === undefined) metadata = encodeMetadata(name, meta, version);
  if (!Buffer.isBuffer(metadata)) return metadata;
  const resource = Buffer.concat([bytesField(0x0a, metadata), bytesField(0x12, bodyAny)]);
  return { name, version, any: anyOf(resourceMessage, resource) };
}

function problemsOfTop(kind: IstioKind, object: Readonly<Record<string, unknown>>): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const { apiVersion, kind: name } = object;
  const isRight =
    (apiVersion === undefined && name === undefined) ||
    (typeof apiVersion === 'string' && typeof name === 'string' && kindOfObject(apiVersion, name) === kind);
  if (!isRight) {
    const wanted = kind.versions.map(version => `${kind.group}/${version}`).join(' or ');
    const text = `must be ${wanted} of a ${kind.kind}, not ${shown(apiVersion)} of kind ${shown(name)}`;
    problems.push({ path: ['apiVersion'], text });
  }
  for (const member of Object.keys(object)) {
    if (membersOfObjects.includes(member)) continue;
    const near = nearest(member, membersOfObjects);
    problems.push({
      path: [member],
      text: `is nothing that stands beside spec${near === undefined ? '' : `; did you mean ${near}?`}`,
    });
  }
  return problems;
}

/** A `google.protobuf.Any` around an encoded message. */
function anyOf(message: string, body: Buffer): Buffer {
  const typeUrl = textField(0x0a, `${anyPrefix}${message}`);
  return body.length === 0 ? typeUrl : Buffer.concat([typeUrl, bytesField(0x12, body)]);
}

function encodeMetadata(name: string, meta: ObjectMeta, version: string | undefined): Buffer | SpecProblems {
  const { labels, annotations, creationTimestamp: createTime } = meta;
  const encoded = encodeJson(istioMessages, metadataMessage, { name, createTime, version, labels, annotations });
  if (Buffer.isBuffer(encoded)) return encoded;
  return { problems: encoded.problems.map(({ path, text }) => ({ path: ['metadata', ...path], text })) };
}

/**
 * Makes what istiod asks for as {@link meshConfigTypeUrl}: an encoded `Any` of a bare `istio.mesh.v1alpha1.MeshConfig`.
 *
 * @param value plain data, as it stands under `mesh` in the ConfigMap of Istio
 */
export function meshConfigOf(value: unknown): Buffer | SpecProblems {
  const body = encodeJson(istioMessages, meshConfigMessage, value);
  return Buffer.isBuffer(body) ? anyOf(meshConfigMessage, body) : body;
}

/** A resource for people to read. */
export interface DecodedMeshResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    /** Empty for the configuration of the mesh, as is the namespace. */
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    /** RFC 3339. */
    readonly creationTimestamp?: string;
    readonly version: string;
  };
  /** Plain data; with `@type` where it is no message of the kind. */
  readonly spec: unknown;
}

/**
 * Reads a resource that MCP carries. It never throws.
 *
 * @param typeUrl that it was asked for by, today's or an older one
 * @param any encoded `google.protobuf.Any`
 */
export function readMeshResource(typeUrl: string, any: Buffer): DecodedMeshResource | { readonly error: string } {
  const isMeshConfig = typeUrl === meshConfigTypeUrl;
  const kind = kindOfTypeUrl(typeUrl);
  if (!kind && !isMeshConfig) return { error: `${typeUrl.slice(0, 200)} is no type of Istio’s configuration` };
  const read = openAny(any, isMeshConfig ? meshConfigMessage : resourceMessage);
  if ('error' in read) return read;
  const slash = typeUrl.lastIndexOf('/');
  const head = { apiVersion: typeUrl.slice(0, slash), kind: typeUrl.slice(slash + 1) };
  if (!kind) return { ...head, metadata: { name: '', namespace: '', version: '' }, spec: messageJson(read) };
  const metadata = readMetadata(valueAt(read, 1));
  if ('error' in metadata) return metadata;
  return { ...head, metadata, spec: readSpec(kind, valueAt(read, 2)) };
}

/** Opens an `Any` that must hold this message. */
function openAny(bytes: Buffer, expected: string): ProtoMessage | { readonly error: string } {
  const any = decodeMessage(istioMessages.get('google.protobuf.Any'), bytes);
  if ('error' in any) return { error: `the resource is no Any: ${any.error}` };
  const [typeUrl, value] = [valueAt(any, 1), valueAt(any, 2)];
  const name = messageNameOf(typeUrl);
  if (name !== expected)
    return { error: `the resource is ${name === '' ? 'of no type' : name.slice(0, 200)}, not ${expected}` };
  const message = decodeMessage(istioMessages.get(expected), Buffer.isBuffer(value) ? value : Buffer.alloc(0));
  return 'error' in message ? { error: `the resource is no ${expected}: ${message.error}` } : message;
}

function messageNameOf(typeUrl: unknown): string {
  return typeof typeUrl === 'string' ? typeUrl.slice(typeUrl.lastIndexOf('/') + 1) : '';
}

function readMetadata(metadata: unknown): DecodedMeshResource['metadata'] | { readonly error: string } {
  const json = isMessage(metadata) ? messageJson(metadata) : {};
  // What the description of istio.mcp.v1alpha1.Metadata makes of it.
  const {
    name = '',
    version = '',
    createTime,
    labels,
    annotations,
  } = json as {
    readonly name?: string;
    readonly version?: string;
    readonly createTime?: unknown;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  const [namespace = '', bare = '', ...rest] = name.split('/', 3);
  if (namespace === '' || bare === '' || rest.length > 0) {
    return { error: `the resource is called ${shown(name)}, which is not namespace/name` };
  }
  return {
    name: bare,
    namespace,
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(typeof createTime === 'string' && { creationTimestamp: createTime }),
    version,
  };
}

function readSpec(kind: IstioKind, body: unknown): unknown {
  if (!isMessage(body)) return {};
  const value = valueAt(body, 2);
  const name = messageNameOf(valueAt(body, 1));
  const type = istioMessages.find(name);
  const isOfKind = name === kind.message && type && !isSpecial(type);
  const message = isOfKind ? decodeMessage(type, Buffer.isBuffer(value) ? value : Buffer.alloc(0)) : undefined;
  return message && 'type' in message ? messageJson(message) : messageJson(body);
}

function isMessage(value: unknown): value is ProtoMessage {
  return typeof value === 'object' && value !== null && 'fields' in value;
}
