import type { Peer } from '../../src/local-ads/peer.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';

// Who may see what, written apart from src/agent/scopes.ts: whoever checks must not share the mistake.

/** Istio's root namespace in tests of isolation. */
export const rootNamespace = 'istio-system';

/** A rule as it is written in the configuration. */
export interface Rule {
  readonly listeners?: readonly string[];
  readonly clientNamespaces?: readonly string[];
  readonly clientNames?: readonly string[];
  readonly types?: readonly string[];
  readonly namespaces?: readonly string[];
}

export interface Who {
  readonly namespace: string | undefined;
  readonly peer: Peer;
}

const glob = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(text);

/** Whether a client may see a resource, by the words of the documentation. */
export function maySee(
  rules: readonly Rule[] | undefined,
  { namespace: own, peer }: Who,
  typeUrl: TypeUrl,
  name: string,
): boolean {
  const isMesh = typeUrl !== clusterType;
  const namespace = name.includes('/') ? name.split('/')[0] : rootNamespace;
  const proven = peer.names.map(one => one.split('/')[4]);
  const isDisputed = proven.some(one => one !== own);
  if (!rules) {
    if (!isMesh) return true;
    if (isDisputed) return namespace === rootNamespace;
    return own === undefined || own === rootNamespace || namespace === own || namespace === rootNamespace;
  }
  if (!isMesh && !rules.some(rule => rule.types?.includes('CDS'))) return true;
  const client = isDisputed ? undefined : own;
  return rules.some(rule => {
    if (rule.listeners && !rule.listeners.includes(peer.listener)) return false;
    if (rule.clientNames && !rule.clientNames.some(one => peer.names.some(name => glob(one, name)))) return false;
    if (rule.clientNamespaces && !(client !== undefined && rule.clientNamespaces.some(one => glob(one, client))))
      return false;
    const kinds = rule.types ?? ['networking.istio.io/*'];
    const kind = isMesh ? (typeUrl.split('/')[2] ?? '') : 'CDS';
    if (!kinds.some(one => one === kind || glob(one, typeUrl))) return false;
    const granted = (rule.namespaces ?? ['$own', '$root']).map(one =>
      one === '$own' ? client : one === '$root' ? rootNamespace : one,
    );
    if (!isMesh) return granted.some(one => one !== undefined);
    return granted.some(one => one !== undefined && glob(one, namespace ?? ''));
  });
}
