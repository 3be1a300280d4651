import type { HeldResource, ResourceWord } from '../admin/reports.ts';
import type { HeldQuery } from '../admin/source.ts';
import type { Entry } from '../cache/entry.ts';
import { isSecretType, sensitivityOf } from '../cache/sensitivity.ts';
import type { ClientType } from '../local-ads/client-type.ts';
import { versionInBody } from '../xds/resource-name.ts';
import type { Clock } from '../xds/types.ts';
import { wordOn } from './client-word.ts';
import type { Core } from './core.ts';
import { quarantineOf } from './inspect.ts';
import type { TypeView } from './type-view.ts';

/** One client that subscribes a type. */
interface Subscriber {
  readonly streamId: number;
  readonly nodeId: string;
  readonly type: ClientType;
}

/**
 * What is held of a type, resource by resource: where it came from, when, and what the clients have said of it. Each is looked at when it is its
 * turn, so what goes meanwhile is left out.
 */
export function* heldResources(core: Core, query: HeldQuery, clock: Clock): Generator<HeldResource> {
  for (const view of core.views()) {
    if (query.viewKey !== undefined && query.viewKey !== view.key) continue;
    for (const type of view.types.values()) {
      if (type.typeUrl !== query.typeUrl) continue;
      const subscribers: Subscriber[] = [];
      for (const client of core.clients()) {
        const told = client.view === view ? client.stream.type(type.typeUrl) : undefined;
        if (told) subscribers.push({ streamId: client.streamId, nodeId: client.identity?.id ?? '', type: told });
      }
      for (const entry of entriesOf(type, query)) yield report(view.key, type, entry, subscribers, query, clock);
    }
  }
}

/** What is served, besides it what is refused and nothing is served of, and what waits in the idle tier. */
function* entriesOf({ store }: TypeView, { names, namespace, contains }: HeldQuery): Generator<Entry> {
  if (names) {
    let parked: ReadonlyMap<string, Entry> | undefined;
    for (const name of names) {
      let entry = store.get(name) ?? store.quarantined.get(name)?.entry;
      if (!entry) {
        parked ??= new Map([...store.parked()].map(one => [one.name, one]));
        entry = parked.get(name);
      }
      if (entry) yield entry;
    }
    return;
  }
  const start = namespace === undefined ? '' : `${namespace}/`;
  const part = contains?.toLowerCase() ?? '';
  const isAsked = ({ name }: Entry): boolean => name.startsWith(start) && name.toLowerCase().includes(part);
  for (const entry of store.entries()) if (isAsked(entry)) yield entry;
  for (const { entry } of store.quarantined.values()) if (!store.get(entry.name) && isAsked(entry)) yield entry;
  for (const entry of store.parked()) if (!store.get(entry.name) && isAsked(entry)) yield entry;
}

function report(
  viewKey: string,
  type: TypeView,
  entry: Entry,
  subscribers: readonly Subscriber[],
  { hasBodies, hasClients }: HeldQuery,
  clock: Clock,
): HeldResource {
  const { typeUrl, store, freshness, feeds, main, interest } = type;
  const { name } = entry;
  const isSecret = isSecretType(typeUrl);
  const endsAtMs = store.deadlines.get(name);
  const refused = store.quarantined.get(name);
  const clients = subscribers.filter(one => one.type.covers(name)).map(one => said(one, entry));
  const count = (word: ResourceWord['word']): number => clients.filter(one => one.word === word).length;
  const sensitivity = hasBodies ? sensitivityOf(typeUrl, entry) : undefined;
  const { server } = main.origin;
  const isOfServer = feeds.length === 1 && server !== '' && main.origin.isOf(server, name);
  return {
    viewKey,
    typeUrl,
    name,
    version: isSecret ? '' : entry.version,
    metadataVersion: isSecret ? undefined : versionInBody(entry.any),
    bytes: isSecret ? 0 : entry.any.length,
    digest: isSecret ? '' : entry.digest,
    changedWallMs: entry.changedWallMs || undefined,
    endsWallMs: endsAtMs === undefined ? undefined : Math.round(clock.wallMs + endsAtMs - clock.monotonicMs),
    source: freshness.provenance,
    server: isOfServer ? server : undefined,
    isCurrent: freshness.isCurrent,
    confirmedWallMs: freshness.confirmedWallMs || undefined,
    trust: refused ? 'refused' : entry.isAccepted ? 'accepted' : 'presumed',
    isIdle: clients.length === 0 && !interest.isWildcardServed && !interest.isNamed(name),
    words: { subscribed: clients.length, acked: count('acked'), nacked: count('nacked'), sent: count('sent') },
    clients: hasClients ? clients : undefined,
    quarantine: refused && quarantineOf(name, refused),
    body: hasBodies && sensitivity === undefined ? entry.any : undefined,
    withheld: sensitivity && withheldBecause[sensitivity],
  };
}

const withheldBecause = {
  secret: 'it is a secret',
  'private-key': 'it holds a private key',
  'do-not-cache': 'the control plane forbids keeping it',
} as const;

function said({ streamId, nodeId, type }: Subscriber, entry: Entry): ResourceWord {
  const word = wordOn(type, entry);
  return { streamId, nodeId, word, error: word === 'nacked' ? type.refused.words(entry.name) : undefined };
}
