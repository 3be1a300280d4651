import type { Entry } from '../cache/entry.ts';
import type { ClientType } from '../local-ads/client-type.ts';
import { sayableOf } from '../local-ads/client-words.ts';
import type { Peer } from '../local-ads/peer.ts';
import type { NodeIdentity } from '../xds/node.ts';
import type { TypeScope } from '../xds/type-scope.ts';
import type { RpcStatus, TypeUrl } from '../xds/types.ts';
import {
  type ClientConfig,
  clientStatus,
  configStatus,
  type ResourceStatus,
  type StatusRequest,
} from '../xds/wire-status.ts';
import type { Client } from './client.ts';
import { type ClientWord, wordOn } from './client-word.ts';

/** How CSDS says what a client has said. */
const codesOf: Readonly<Record<ClientWord, readonly [config: number, client: number]>> = {
  acked: [configStatus.synced, clientStatus.acked],
  nacked: [configStatus.error, clientStatus.nacked],
  // Nobody knows more, and it never changes.
  sent: [configStatus.unknown, clientStatus.requested],
  pending: [configStatus.stale, clientStatus.requested],
  'not sent': [configStatus.notSent, clientStatus.requested],
};

/** What is needed to tell the state of the clients. */
export interface StatusSource {
  clients(): Iterable<Client>;
  /** Why a peer may not be this node, if so: it may not see what that node is given either. */
  readonly refusal: (peer: Peer, nodeId: string) => RpcStatus | undefined;
  /** Whether a body is or holds a key: it is never shown. */
  readonly isSensitive: (typeUrl: TypeUrl, entry: Entry) => boolean;
  /** What a peer would see of a type if it came as this node. */
  readonly scopeOf: (peer: Peer, identity: NodeIdentity, typeUrl: TypeUrl) => TypeScope;
}

/** In place of a client's words, which may speak of what the asker may not see. */
const withheldWords = 'rejected, in words that are not open to you (setting scopes)';

/** Every client that the peer may know of and asked about, resource by resource (R128). Nothing is held in memory at once. */
export function* clientConfigs(source: StatusSource, peer: Peer, request: StatusRequest): Generator<ClientConfig> {
  const isShown = (typeUrl: TypeUrl, entry: Entry): boolean =>
    !request.excludesBodies && entry.any.length > 0 && !source.isSensitive(typeUrl, entry);
  for (const { identity, stream, view } of source.clients()) {
    if (!identity || !view || !request.isAsked(identity.id) || source.refusal(peer, identity.id)) continue;
    const { id: nodeId, cluster: nodeCluster, userAgentName, userAgentVersion } = identity;
    const types = [...stream.types()];
    yield {
      nodeId,
      nodeCluster,
      userAgentName,
      userAgentVersion,
      *resources() {
        for (const type of types) {
          const scope = source.scopeOf(peer, identity, type.typeUrl);
          // What the client sees is not for everybody who may ask about it.
          const isWithin = type.seen.scope.isWithin(scope.key);
          for (const one of resourcesOf(type, stream.variant === 'sotw', isShown)) {
            if (scope.sees(one.name)) yield isWithin ? one : { ...one, error: one.error && withheldWords };
          }
        }
      },
    };
  }
}

function* resourcesOf(
  type: ClientType,
  isSotw: boolean,
  isShown: StatusSource['isSensitive'],
): Generator<ResourceStatus> {
  const { store, subscription, typeUrl, seen } = type;
  const listVersion = isSotw ? seen.versionInfo() : '';
  const told = new Set<Entry>();
  const tell = function* (entries: Iterable<Entry>): Generator<ResourceStatus> {
    for (const entry of entries) {
      if (told.has(entry)) continue;
      told.add(entry);
      yield statusOf(type, entry, isSotw ? listVersion : store.served.clientVersion(entry), isShown(typeUrl, entry));
    }
  };
  if (subscription.isWildcard) yield* tell(seen.entries());
  for (const name of subscription.names) {
    yield* tell(store.served.behind(name));
    if (!store.served.behind(name).next().done) continue;
    const failure = store.failures.get(name);
    const isAbsent = store.absences.has(name);
    const { requested, doesNotExist, receivedError } = clientStatus;
    yield {
      typeUrl,
      name,
      version: '',
      any: undefined,
      updatedWallMs: undefined,
      config: configStatus.notSent,
      client: failure ? receivedError : isAbsent ? doesNotExist : requested,
      error:
        failure && `the control plane answered ${failure.status.code}: ${sayableOf(typeUrl, failure.status.message)}`,
    };
  }
}

function statusOf(type: ClientType, entry: Entry, version: string, isShown: boolean): ResourceStatus {
  const { typeUrl, store } = type;
  const [config, client] = codesOf[wordOn(type, entry)];
  const isRefused = config === configStatus.error;
  return {
    typeUrl,
    name: entry.name,
    version,
    any: isShown ? entry.any : undefined,
    updatedWallMs: store.updatedWallMs,
    config,
    client,
    error: isRefused ? (type.refused.words(entry.name) ?? '') : undefined,
  };
}
