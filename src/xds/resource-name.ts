import { TagWalk, WireError } from './tag-walk.ts';
import type { TypeTraits } from './type-urls.ts';

const anyTypeOfMcp = 'type.googleapis.com/istio.mcp.v1alpha1.Resource';
/** `Any.type_url` of a Resource wrapper inside a SotW response (rulebook 1.2). */
export const anyTypeOfWrapper = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

/** Type URL and body of an encoded `google.protobuf.Any`. */
export function readAny(any: Buffer): [string, TagWalk] {
  const walk = new TagWalk(any);
  let typeUrl = '';
  let body = new TagWalk(any, any.length);
  while (walk.next()) {
    if (walk.field === 1) typeUrl = walk.text();
    else if (walk.field === 2) body = walk.message();
  }
  return [typeUrl, body];
}

/**
 * Reads a resource's name from its body without descriptors: field 1 of every Envoy type, `metadata.name` of Istio's mesh
 * configuration (rulebook 1.2, 1.3).
 *
 * @returns the name, or undefined when the body has none that can be read
 */
export function nameInBody(anyTypeUrl: string, body: TagWalk): string | undefined {
  try {
    const first = lastText(body, anyTypeUrl === anyTypeOfMcp);
    return first === '' ? undefined : first;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/**
 * The version that an object of Istio's mesh configuration has itself, `metadata.version`; most control planes give no other (istio-facts.md, "MCP").
 *
 * @param any encoded `google.protobuf.Any`
 * @returns undefined for anything else than an `istio.mcp.v1alpha1.Resource`, and where it cannot be read
 */
export function versionInBody(any: Buffer): string | undefined {
  try {
    const [typeUrl, body] = readAny(any);
    if (typeUrl !== anyTypeOfMcp) return undefined;
    let version = '';
    while (body.next()) {
      if (body.field !== 1 || body.wireType !== 2) continue;
      const metadata = body.message();
      while (metadata.next()) if (metadata.field === 3 && metadata.wireType === 2) version = metadata.text();
    }
    return version;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function lastText(walk: TagWalk, isNested: boolean): string {
  let name = '';
  while (walk.next()) {
    // The last occurrence of a singular field wins (protobuf encoding rules).
    if (walk.field !== 1 || walk.wireType !== 2) continue;
    name = isNested ? lastText(walk.message(), false) : walk.text();
  }
  return name;
}

/**
 * A key for a resource of a type that Weir does not know, whose field 1 may be no name at all: what can be read if it is plain text
 * and not taken yet, else a stand-in by position. Only such types use it, so an Envoy resource never gets an invented name.
 */
export function opaqueName(readable: string | undefined, index: number, isTaken: (name: string) => boolean): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what tells bytes from a name.
  const isPlain = readable !== undefined && !/[\u0000-\u001f\ufffd]/.test(readable);
  const base = isPlain ? readable : '';
  return isTaken(base) ? `${base}#${index}` : base;
}

/**
 * The name under which a cluster asks for its endpoints: `eds_cluster_config.service_name`, else the cluster's own name.
 *
 * @param any encoded `google.protobuf.Any` with an `envoy.config.cluster.v3.Cluster`
 * @returns in canonical form; undefined for a cluster that does not use EDS or cannot be read
 */
export function endpointNameOfCluster(any: Buffer): string | undefined {
  try {
    const outer = new TagWalk(any);
    while (outer.next()) {
      if (outer.field !== 2) continue;
      let name = '';
      let serviceName = '';
      let isEds = false;
      const cluster = outer.message();
      while (cluster.next()) {
        if (cluster.field === 1 && cluster.wireType === 2) name = cluster.text();
        else if (cluster.field === 2 && cluster.wireType === 0) isEds = cluster.varint === 3;
        else if (cluster.field === 3 && cluster.wireType === 2) {
          const config = cluster.message();
          while (config.next()) if (config.field === 2 && config.wireType === 2) serviceName = config.text();
        }
      }
      if (isEds) return canonicalName(serviceName || name);
    }
    return undefined;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/**
 * The collections from which an assignment of endpoints takes its members (LEDS): `leds_collection_name` of its localities.
 *
 * @param any encoded `google.protobuf.Any` with an `envoy.config.endpoint.v3.ClusterLoadAssignment`
 * @returns in canonical form; none for an assignment that has its endpoints itself or cannot be read
 */
export function collectionsOfAssignment(any: Buffer): string[] {
  const collections: string[] = [];
  try {
    const [, assignment] = readAny(any);
    while (assignment.next()) {
      if (assignment.field !== 2 || assignment.wireType !== 2) continue;
      const locality = assignment.message();
      while (locality.next()) {
        if (locality.field !== 8 || locality.wireType !== 2) continue;
        const config = locality.message();
        while (config.next()) {
          if (config.field === 2 && config.wireType === 2) collections.push(canonicalName(config.text()));
        }
      }
    }
    return collections;
  } catch (error) {
    if (error instanceof WireError) return [];
    throw error;
  }
}

/** Whether a name can be used for a type: not empty for types whose name is known to be a name (R77). */
export function isUsableName(name: string | undefined, traits: TypeTraits): name is string {
  return name !== undefined && (name !== '' || !traits.isEnvoyType);
}

const scheme = 'xdstp:';

/** Whether a name may be spelled in several ways. */
export function hasSpellings(name: string): boolean {
  return name.startsWith(scheme) && name.includes('?');
}

/**
 * The form by which an `xdstp://` name is kept: its context parameters in the order of their keys, since two names that differ by that order alone
 * are one (R32). Any other name is itself.
 */
export function canonicalName(name: string): string {
  if (!name.startsWith(scheme)) return name;
  const [, base = '', query, rest = ''] = /^([^?#]*)(?:\?([^#]*))?(.*)$/s.exec(name) ?? [];
  if (query === undefined) return name;
  const sorted = query.split('&').sort();
  return `${base}?${sorted.join('&')}${rest}`;
}

/**
 * How the control plane spells a name, as far as the body tells: the form that its client removes the resource by (Envoy 1.40 compares it with
 * the name in the body of a Cluster, byte for byte).
 *
 * @param name in canonical form
 * @param any encoded `google.protobuf.Any`
 */
export function spellingIn(name: string, any: Buffer): string {
  if (!hasSpellings(name)) return name;
  try {
    const [typeUrl, body] = readAny(any);
    const written = nameInBody(typeUrl, body);
    return written !== undefined && canonicalName(written) === name ? written : name;
  } catch (error) {
    if (error instanceof WireError) return name;
    throw error;
  }
}

/** Whether a name stands for all members of a collection (R33). */
export function isGlob(name: string): boolean {
  return name.startsWith(scheme) && /^[^?#]*\/\*(?:[?#]|$)/.test(name);
}

/** The glob of the collection that a resource would be a member of, in canonical form; undefined for names that are no `xdstp://` names. */
export function globOf(name: string): string | undefined {
  if (!name.startsWith(scheme)) return undefined;
  const [, base = '', query = ''] = /^([^?#]*)(\?[^#]*)?/.exec(name) ?? [];
  const slash = base.lastIndexOf('/');
  // The authority and the type have slashes of their own before the id.
  return base.split('/').length < 5 ? undefined : `${base.slice(0, slash)}/*${query}`;
}

/** The authority of an `xdstp://` name; undefined for any other name and for an empty one. */
export function authorityOf(name: string): string | undefined {
  if (!name.startsWith(scheme)) return undefined;
  return /^xdstp:\/\/([^/?#]+)\//.exec(name)?.[1];
}
