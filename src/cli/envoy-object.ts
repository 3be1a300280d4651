import { referencesIn } from '../envoy/references.ts';
import { type DecodedResource, decodeEnvoyResource } from '../envoy/resource.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { ShownResource } from './envoy-table.ts';
import type { Held } from './mesh-table.ts';

/** References told of one resource. */
const toldMax = 20;

/** A resource for a table. Its content is decoded, if it came. */
export function shownOf({ typeUrl, name, version, body }: Held): ShownResource {
  const content = body === undefined ? undefined : decodeEnvoyResource(typeUrl, Buffer.from(body, 'base64'));
  return { typeUrl, name, version, content };
}

/** A resource as `/config_dump` shows it; where its content is withheld, its name and why. */
export function objectOf({ typeUrl, name, body, withheld }: Held): DecodedResource {
  if (body !== undefined) return decodeEnvoyResource(typeUrl, Buffer.from(body, 'base64'));
  return { '@type': typeUrl, name, '@withheld': withheld ?? 'it has no content' };
}

/** Which other resources it names, a line each: `refers to EDS a (eds_cluster_config.service_name)`. */
export function referenceNotes({ typeUrl, body }: Held): readonly string[] {
  if (body === undefined) return [];
  const found = referencesIn(typeUrl, Buffer.from(body, 'base64'));
  const lines = found.slice(0, toldMax).map(one => {
    const from = one.isElsewhere ? ', fetched from elsewhere' : '';
    // A reference is of one of Envoy's types.
    return `refers to ${traitsOf(one.typeUrl as TypeUrl).shortName} ${one.name} (${one.where}${from})`;
  });
  const more = found.length - toldMax;
  return (more > 0 ? [...lines, `refers to ${more} more`] : lines).map(line => line.replace(/[\s\p{Cc}]+/gu, ' '));
}
