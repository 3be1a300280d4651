import { readMeshResource } from '../istio/mesh-resource.ts';
import { toYaml } from './yaml-text.ts';

/** A resource that is to be shown as a whole. */
export interface WholeResource {
  readonly typeUrl: string;
  readonly name: string;
  /** Base64 of an encoded `google.protobuf.Any`; undefined where it is not shown. */
  readonly body?: string | undefined;
  readonly withheld?: string | undefined;
}

/**
 * A resource as its author wrote it, as far as MCP carries that: what kubectl takes. What cannot be decoded, or must not be shown, is an object
 * with its type, its name, why, and the bytes if they may be shown.
 */
export function meshObject({ typeUrl, name, body, withheld }: WholeResource): Readonly<Record<string, unknown>> {
  if (body === undefined) return { typeUrl, name, error: `not shown: ${withheld ?? 'it has no content'}` };
  const read = readMeshResource(typeUrl, Buffer.from(body, 'base64'));
  if ('error' in read) return { typeUrl, name, error: read.error, any: body };
  const { apiVersion, kind, metadata, spec } = read;
  // The version would be taken for the one that the object in the cluster has to be of.
  const { version: _, creationTimestamp: __, ...kept } = metadata;
  return { apiVersion, kind, ...(metadata.name === '' ? {} : { metadata: kept }), spec };
}

/** The same as YAML, one document. @param notes lines of comment above it */
export async function meshYaml(resource: WholeResource, notes: readonly string[]): Promise<string> {
  const object = meshObject(resource);
  const comments = 'error' in object ? [...notes, `cannot be shown as an object: ${String(object['error'])}`] : notes;
  return `${comments.map(line => `# ${line}\n`).join('')}${await toYaml(object)}`;
}
