import { type AdminClient, AdminRefusal } from '../admin/client.ts';
import { clusterType, endpointType, memberType, secretType } from '../xds/type-urls.ts';
import type { NamedType } from './type-names.ts';

/** That a held resource refers to the one that is asked about. */
export interface Referrer {
  /** What it takes it for. */
  readonly typeUrl: string;
  /** Itself. */
  readonly from: string;
  readonly fromShortName: string;
  /** Where in it, in field names. */
  readonly where: string;
  readonly isElsewhere: boolean;
}

/** An endpoint that is held. */
export interface EndpointPlace {
  readonly fromShortName: string;
  /** The cluster, or its endpoints, or the member of a collection. */
  readonly from: string;
  readonly address: string;
  readonly port: number;
  /** As the control plane says; UNKNOWN, which Envoy takes for healthy, where it says nothing. */
  readonly health: string;
}

/** What a look for an address has found. */
export interface AddressSearch {
  readonly places: readonly EndpointPlace[];
  /** Resources that were read, and endpoints in them. */
  readonly resources: number;
  readonly endpoints: number;
  /** Endpoints that a cluster asks for and that are not held. */
  readonly missing: readonly { readonly cluster: string; readonly name: string }[];
}

const toldMax = 20;

/** Resources that refer to a name. Undefined where contents may not be read. @param types that are held */
export async function referrersOf(
  client: AdminClient,
  types: readonly NamedType[],
  name: string,
): Promise<Referrer[] | undefined> {
  // The description of all of Envoy's messages is only needed here.
  const { referencesIn } = await import('../envoy/references.ts');
  const found: Referrer[] = [];
  // Endpoints and secrets refer to nothing that is asked about by name.
  const read = types.filter(({ typeUrl }) => typeUrl.startsWith('type.googleapis.com/') && typeUrl !== secretType);
  return unlessRefused(async () => {
    for (const { typeUrl, shortName } of distinct(read)) {
      if (typeUrl === memberType) continue;
      for await (const { name: from, body } of client.resources({ typeUrl, hasClients: false, hasBodies: true })) {
        if (body === undefined) continue;
        for (const reference of referencesIn(typeUrl, Buffer.from(body, 'base64'))) {
          if (reference.name !== name || found.length >= toldMax) continue;
          const { typeUrl: target, where, isElsewhere } = reference;
          found.push({ typeUrl: target, from, fromShortName: shortName, where, isElsewhere });
        }
      }
    }
    return found;
  });
}

/** Looks for an endpoint in what is held. Undefined where contents may not be read. @param port any without it */
export async function searchAddress(
  client: AdminClient,
  types: readonly NamedType[],
  address: string,
  port: number | undefined,
): Promise<AddressSearch | undefined> {
  const [{ decodeEnvoyResource }, { referencesIn }] = await Promise.all([
    import('../envoy/resource.ts'),
    import('../envoy/references.ts'),
  ]);
  const places: EndpointPlace[] = [];
  const assignments = new Set<string>();
  const wanted: { cluster: string; name: string }[] = [];
  let resources = 0;
  let endpoints = 0;
  const read = types.filter(({ typeUrl }) => [clusterType, endpointType, memberType].some(one => one === typeUrl));
  return unlessRefused(async () => {
    for (const { typeUrl, shortName } of distinct(read)) {
      for await (const { name: from, body } of client.resources({ typeUrl, hasClients: false, hasBodies: true })) {
        if (body === undefined) continue;
        resources++;
        const any = Buffer.from(body, 'base64');
        if (typeUrl === endpointType) assignments.add(from);
        if (typeUrl === clusterType) {
          for (const one of referencesIn(typeUrl, any)) {
            if (one.typeUrl === endpointType && !one.isElsewhere) wanted.push({ cluster: from, name: one.name });
          }
        }
        for (const one of endpointsIn(decodeEnvoyResource(typeUrl, any))) {
          endpoints++;
          const isMeant = one.address === address && (port === undefined || one.port === port);
          if (isMeant && places.length < toldMax) places.push({ fromShortName: shortName, from, ...one });
        }
      }
    }
    const missing = wanted.filter(one => !assignments.has(one.name)).slice(0, toldMax);
    return { places, resources, endpoints, missing };
  });
}

/** Every `lb_endpoint` with a socket address in a decoded cluster, assignment or member of a collection. */
export function* endpointsIn(value: unknown): Generator<Pick<EndpointPlace, 'address' | 'port' | 'health'>> {
  if (Array.isArray(value)) for (const one of value) yield* endpointsIn(one);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const socket = at(value, 'endpoint', 'address', 'socket_address');
  const address = at(socket, 'address');
  if (typeof address === 'string') {
    const health = at(value, 'health_status');
    yield {
      address,
      port: Number(at(socket, 'port_value') ?? 0),
      health: typeof health === 'string' ? health : 'UNKNOWN',
    };
    return;
  }
  for (const one of Object.values(value)) yield* endpointsIn(one);
}

/** What stands under these names, each in the one before. */
export function at(value: unknown, ...names: readonly string[]): unknown {
  let found = value;
  for (const name of names) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = Object.entries(found).find(([key]) => key === name)?.[1];
  }
  return found;
}

function distinct(types: readonly NamedType[]): NamedType[] {
  return [...new Map(types.map(type => [type.typeUrl, type])).values()];
}

/** Contents are for the admin socket only; without it the rest is still worth telling. */
async function unlessRefused<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof AdminRefusal && error.statusCode === 403) return undefined;
    throw error;
  }
}
