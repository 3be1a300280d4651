import { digestOf } from './digest.ts';
import { TagWalk, WireError } from './tag-walk.ts';
import type { ViewKey } from './types.ts';

/** What Weir reads of a client's Node. The Node itself travels upstream as bytes. */
export interface NodeIdentity {
  readonly id: string;
  readonly cluster: string;
  /** `region/zone/sub_zone`. */
  readonly locality: string;
  /** Top-level metadata keys with their canonical JSON values: keys sorted, so the order on the wire does not matter (R66). */
  readonly metadata: ReadonlyMap<string, string>;
  /** Canonical form of `dynamic_parameters`. */
  readonly dynamicParameters: string;
  /** Those of `client_features` that change what a control plane sends, sorted; none of transport alone (R66, R68). */
  readonly contentFeatures: readonly string[];
  readonly userAgentName: string;
  readonly userAgentVersion: string;
}

/** Features of the wire and of load reports, which change no resource. */
const transportFeature = /^(?:xds\.config\.|envoy\.lrs\.)/;

/** Deeper metadata is refused: no control plane needs it and recursion must end. */
const metadataDepthMax = 32;

/**
 * Reads the identity out of an encoded `envoy.config.core.v3.Node`.
 *
 * @returns the identity, or what is wrong with the bytes
 */
export function readNode(bytes: Buffer): NodeIdentity | { readonly error: string } {
  let id = '';
  let cluster = '';
  let locality = '//';
  let userAgentName = '';
  let userAgentVersion = '';
  const metadata = new Map<string, string>();
  const dynamicParameters: string[] = [];
  const contentFeatures: string[] = [];
  try {
    const walk = new TagWalk(bytes);
    while (walk.next()) {
      if (walk.field === 1) id = walk.text();
      else if (walk.field === 2) cluster = walk.text();
      else if (walk.field === 3) for (const [key, value] of readStruct(walk.message(), 0)) metadata.set(key, value);
      else if (walk.field === 4) locality = readLocality(walk.message());
      else if (walk.field === 6) userAgentName = walk.text();
      else if (walk.field === 7) userAgentVersion = walk.text();
      else if (walk.field === 10) contentFeatures.push(walk.text());
      else if (walk.field === 12) dynamicParameters.push(walk.slice().toString('base64'));
    }
  } catch (error) {
    if (error instanceof WireError) return { error: error.message };
    throw error;
  }
  return {
    id,
    cluster,
    locality,
    metadata,
    dynamicParameters: dynamicParameters.sort().join(','),
    contentFeatures: contentFeatures.filter(feature => !transportFeature.test(feature)).sort(),
    userAgentName,
    userAgentVersion,
  };
}

/** The key of the view that a node may see: everything a control plane may tailor its answers by, but no transport detail (R66). */
export function viewKeyOf(node: NodeIdentity): ViewKey {
  const metadata = [...node.metadata].sort(([a], [b]) => (a < b ? -1 : 1));
  return digestOf(JSON.stringify([node.id, node.cluster, node.locality, metadata, node.dynamicParameters])) as ViewKey;
}

/**
 * {@link viewKeyOf}, and apart from it for clients of one node that announce other features: a restriction of one is not the other's (R68).
 */
export function separateViewKeyOf(node: NodeIdentity): ViewKey {
  const key = viewKeyOf(node);
  if (node.contentFeatures.length === 0) return key;
  return digestOf(JSON.stringify([key, node.contentFeatures])) as ViewKey;
}

/** A part of the Node that stored configuration is matched by: a whole field, or one key of the metadata. */
export type MatchField = 'id' | 'cluster' | 'locality' | 'metadata' | `metadata.${string}`;

const addressLiteral = /\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:])(?:[\da-f]{0,4}:){2,7}[\da-f]{0,4}(?![\w:])/gi;
/** The address in an Istio id. What is no address there may be all that tells one node from another. */
const addressInId = /^([^~]+~)(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[\da-f]{0,4}:){2,7}[\da-f.]{0,15})(~[^~]+~[^~]+)$/i;

/**
 * The key by which another process finds what was stored for a node (R69): a projection without what a new pod of the same workload has
 * different, so that a new pod IP does not start empty. IP addresses in metadata are masked, and the one in an Istio id
 * (`sidecar~IP~pod.namespace~domain`); of who asks for mesh configuration, as istiod does, also the name of the pod, which a new one never has again.
 */
export function matchKeyOf(node: NodeIdentity, fields: readonly MatchField[]): string {
  return projectionKeyOf(node, fields, {
    id: id => (isMeshClient(node) ? id.replace(podInId, '$1*~*$2') : id.replace(addressInId, '$1*$2')),
    metadata: value => value.replace(addressLiteral, '*'),
  });
}

/** Type and pod of an Istio id on either side of what a new pod has different. */
const podInId = /^([^~]+~)[^~]+~[^~]+(\.[^~.]+~[^~]+)$/;

/** Whether a node asks for Istio's mesh configuration as such: what is sent to it does not depend on its pod (istio-facts.md "MCP"). */
export function isMeshClient({ metadata }: NodeIdentity): boolean {
  return metadata.get('GENERATOR') === '"api"';
}

const asIs = (text: string): string => text;

/** A key that is equal for nodes that are equal in these fields, after what `mask` takes away of the id and of the metadata as a whole. */
export function projectionKeyOf(
  node: NodeIdentity,
  fields: readonly MatchField[],
  mask: { readonly id: (id: string) => string; readonly metadata: (value: string) => string } = {
    id: asIs,
    metadata: asIs,
  },
): string {
  const parts: unknown[] = [];
  for (const field of fields) {
    if (field === 'id') parts.push([field, mask.id(node.id)]);
    else if (field === 'cluster' || field === 'locality') parts.push([field, node[field]]);
    else if (field === 'metadata') {
      const pairs = [...node.metadata].map(([key, value]) => [key, mask.metadata(value)] as const);
      parts.push([field, pairs.sort(([a], [b]) => (a < b ? -1 : 1))]);
    } else parts.push([field, node.metadata.get(field.slice('metadata.'.length)) ?? null]);
  }
  return digestOf(JSON.stringify(parts));
}

/**
 * The fields by which two nodes differ, of those that decide about sharing: id, cluster, locality, metadata (design "Node identity").
 * Values are named for id, cluster and locality only: metadata may hold anything.
 */
export function differingFields(held: NodeIdentity, other: NodeIdentity): string[] {
  const fields: string[] = [];
  const compare = (field: string, a: string, b: string): void => {
    if (a !== b) fields.push(`${field} ('${clip(b)}', held: '${clip(a)}')`);
  };
  compare('node.id', held.id, other.id);
  compare('node.cluster', held.cluster, other.cluster);
  compare('node.locality', held.locality, other.locality);
  const keys = new Set([...held.metadata.keys(), ...other.metadata.keys()]);
  const changed = [...keys].filter(key => held.metadata.get(key) !== other.metadata.get(key)).sort();
  for (const key of changed.slice(0, 8)) fields.push(`node.metadata['${clip(key)}']`);
  if (changed.length > 8) fields.push(`${changed.length - 8} more metadata keys`);
  if (held.dynamicParameters !== other.dynamicParameters) fields.push('node.dynamic_parameters');
  return fields;
}

/**
 * The Node to send upstream: the client's own bytes, less the extension list if `dropExtensions` (61 kB from Envoy) and less the one
 * transport feature that Weir would have to keep up itself (R68). Fields Weir does not know stay.
 */
export function nodeForUpstream(bytes: Buffer, dropExtensions: boolean): Buffer {
  const kept: Buffer[] = [];
  const walk = new TagWalk(bytes);
  let fieldStart = 0;
  while (walk.next()) {
    const isExtension = walk.field === 9 && dropExtensions;
    const isTtlFeature = walk.field === 10 && walk.wireType === 2 && walk.text() === 'xds.config.supports-resource-ttl';
    if (!isExtension && !isTtlFeature) kept.push(bytes.subarray(fieldStart, walk.end));
    fieldStart = walk.end;
  }
  return Buffer.concat(kept);
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function readLocality(walk: TagWalk): string {
  const parts = ['', '', ''];
  while (walk.next()) if (walk.field >= 1 && walk.field <= 3) parts[walk.field - 1] = walk.text();
  // Escaped, so that no two localities look the same.
  return parts.map(part => part.replace(/[%/]/g, encodeURIComponent)).join('/');
}

function readStruct(walk: TagWalk, depth: number): Map<string, string> {
  if (depth > metadataDepthMax) throw new WireError(`metadata is nested deeper than ${metadataDepthMax}`);
  const fields = new Map<string, string>();
  while (walk.next()) {
    if (walk.field !== 1) continue;
    let key = '';
    let value = 'null';
    const entry = walk.message();
    while (entry.next()) {
      if (entry.field === 1) key = entry.text();
      else if (entry.field === 2) value = readValue(entry.message(), depth + 1);
    }
    fields.set(key, value);
  }
  return fields;
}

function readValue(walk: TagWalk, depth: number): string {
  let text = 'null';
  while (walk.next()) {
    if (walk.field === 2 && walk.wireType === 1) text = String(walk.bytes.readDoubleLE(walk.start));
    else if (walk.field === 3) text = JSON.stringify(walk.text());
    else if (walk.field === 4) text = walk.varint === 0 ? 'false' : 'true';
    else if (walk.field === 5) {
      const fields = [...readStruct(walk.message(), depth)].sort(([a], [b]) => (a < b ? -1 : 1));
      text = `{${fields.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;
    } else if (walk.field === 6) text = readList(walk.message(), depth + 1);
  }
  return text;
}

function readList(walk: TagWalk, depth: number): string {
  if (depth > metadataDepthMax) throw new WireError(`metadata is nested deeper than ${metadataDepthMax}`);
  const items: string[] = [];
  while (walk.next()) if (walk.field === 1) items.push(readValue(walk.message(), depth + 1));
  return `[${items.join(',')}]`;
}
