import { type IstioKind, kindOfObject } from '../../src/istio/kinds.ts';
import { invariant } from '../../src/xds/assert.ts';

/** A kind of networking.istio.io. */
export function istioKind(kind: string): IstioKind {
  const found = kindOfObject('networking.istio.io/v1', kind);
  invariant(found, `there is a kind ${kind}`);
  return found;
}

/** A Gateway as the API server sends it. */
export function gateway(
  name: string,
  version: number | string,
  more: { readonly namespace?: string; readonly port?: unknown; readonly [member: string]: unknown } = {},
): Record<string, unknown> {
  const { namespace = 'shop', port = 80, ...members } = more;
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace, resourceVersion: String(version) },
    spec: { servers: [{ port: { number: port, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] },
    ...members,
  };
}

/** A VirtualService as the API server sends it. */
export function virtualService(name: string, version: number | string, namespace = 'shop'): Record<string, unknown> {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace, resourceVersion: String(version) },
    spec: { hosts: [name], http: [{ route: [{ destination: { host: name } }] }] },
  };
}
