import { eachField } from '../tag-walk.ts';
import { revisionOf, serviceKind, serviceResource, stampDigits } from './services.ts';

// What the source in Go is told to serve: the very bytes of Weir's source, and where in them digits are to be written over.

/** One resource. */
export interface LoadedResource {
  readonly name: string;
  /** Encoded `istio.mcp.v1alpha1.Resource`, in base64. */
  readonly body: string;
  /** Where the digits end: of the version, of the number of the change, of the time of the change. */
  readonly versionEnd: number;
  readonly serialEnd: number;
  readonly stampEnd: number;
}

/** The first line that it is given. */
export interface MeshLoad {
  readonly kind: 'load';
  readonly serviceTypeUrl: string;
  readonly typeUrls: readonly string[];
  readonly firstRevision: number;
  readonly resources: readonly LoadedResource[];
}

function bodyIn(any: Buffer): Buffer {
  let value: Buffer = Buffer.alloc(0);
  eachField(any, 0, any.length, (number, from, to) => {
    if (number === 2) value = any.subarray(from, to);
  });
  return value;
}

/** Makes that line. */
export function goLoad(typeUrls: readonly string[], resources: number, namespaces: number): MeshLoad {
  const revision = revisionOf(0);
  const loaded = Array.from({ length: resources }, (_, index) => {
    const { name, any } = serviceResource(index, namespaces, 0, 0);
    const body = bodyIn(any);
    return {
      name,
      body: body.toString('base64'),
      versionEnd: body.indexOf(revision) + revision.length,
      serialEnd: body.length - stampDigits - 1,
      stampEnd: body.length,
    };
  });
  return {
    ...{ kind: 'load', serviceTypeUrl: serviceKind.typeUrl, typeUrls },
    ...{ firstRevision: Number(revision), resources: loaded },
  };
}
