import { istioKinds } from '../../../src/istio/kinds.ts';
import { type MeshResource, meshResourceOf } from '../../../src/istio/mesh-resource.ts';

// The VirtualServices of the bench: as many bytes as people's have, and in each of them which change it holds and when that was made.

/** Digits of the number of a change, and of the time at which it was made. */
export const serialDigits = 8;
/** Microseconds of the clock that all processes of a machine share. */
export const stampDigits = 16;

/** What stands before the digits. They are the last bytes of a resource, because a route's name is its last field. */
const markerPrefix = 'bench-';
/** Kubernetes counts changes of everything together, so these numbers are never small. All of them have as many digits. */
const firstRevision = 40_000_000;

/** The kind that is changed. */
export const serviceKind = kindOf('VirtualService');

function kindOf(name: string) {
  const kind = istioKinds.find(one => one.kind === name);
  if (kind === undefined) throw new Error(`Weir does not know the kind ${name}`);
  return kind;
}

const padded = (value: number, digits: number): string => String(value).padStart(digits, '0');

/** Which of the resources a change is of; they take turns. @param serial number of the change, from 1 */
export function indexOf(serial: number, resources: number): number {
  return (serial - 1) % resources;
}

/** `metadata.resourceVersion` after a change. @param serial 0 before the first */
export function revisionOf(serial: number): string {
  return String(firstRevision + serial);
}

/**
 * One of the resources, as the Kubernetes API has it.
 *
 * @param namespaces how many there are; the resources are dealt out to them
 * @param serial number of the change that it holds, 0 for none
 * @param stampUs when that was made, 0 for none
 */
export function serviceObject(index: number, namespaces: number, serial: number, stampUs: number): object {
  const [team, shop] = [`team-${padded(index % namespaces, 3)}`, `shop-${padded(index, 6)}`];
  const host = `${shop}.${team}.svc.cluster.local`;
  const to = (subset: string, weight: number) => ({ destination: { host, subset, port: { number: 8080 } }, weight });
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: {
      namespace: team,
      name: shop,
      resourceVersion: revisionOf(serial),
      creationTimestamp: '2026-01-31T08:00:00Z',
      labels: { 'app.kubernetes.io/name': shop, 'app.kubernetes.io/part-of': 'webshop', team },
      annotations: { 'example.com/owner': `${team}@example.com` },
    },
    spec: {
      hosts: [host, `${shop}.example.com`],
      gateways: ['mesh', 'istio-ingress/public'],
      http: [
        {
          name: 'canary',
          match: [{ uri: { prefix: '/api/v2' }, headers: { 'x-canary': { exact: 'true' } } }],
          route: [to('v2', 100)],
          timeout: '5s',
          retries: { attempts: 3, perTryTimeout: '2s', retryOn: '5xx,reset,connect-failure' },
        },
        {
          match: [{ uri: { prefix: '/' } }],
          route: [to('v1', 95), to('v2', 5)],
          timeout: '15s',
          retries: { attempts: 2, perTryTimeout: '5s', retryOn: 'gateway-error,reset' },
          name: `${markerPrefix}${padded(serial, serialDigits)}-${padded(stampUs, stampDigits)}`,
        },
      ],
    },
  };
}

/** The same as MCP carries it. @throws Error when the kind has no such fields any more */
export function serviceResource(index: number, namespaces: number, serial: number, stampUs: number): MeshResource {
  const made = meshResourceOf(serviceKind, serviceObject(index, namespaces, serial, stampUs), {
    defaultNamespace: 'default',
  });
  if ('problems' in made) throw new Error(`a VirtualService of the bench is none: ${JSON.stringify(made.problems)}`);
  return made;
}
