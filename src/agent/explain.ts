import type { AgentEvent, EventQuery } from '../admin/agent-event.ts';
import type { ExplainedName, ExplainQuery, Explanation, MissingReason } from '../admin/explanation.ts';
import type { HeldResource, ResourceWord } from '../admin/reports.ts';
import { suspectsOf } from '../cache/quarantine.ts';
import { isSecretType } from '../cache/sensitivity.ts';
import { sayableOf } from '../local-ads/client-words.ts';
import { nearestFirst } from '../xds/nearest.ts';
import { canonicalName } from '../xds/resource-name.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { Clock } from '../xds/types.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import type { Feed } from './feed.ts';
import { heldResources } from './held-resources.ts';
import { quarantineOf } from './inspect.ts';
import { isWanted, type TypeView } from './type-view.ts';
import type { View } from './view.ts';

/** Types, over all views, that one explanation speaks of. */
const foundMax = 50;
/** Clients and their words told of each. */
const clientsMax = 20;
const nodeIdsMax = 5;
const eventsMax = 10;
const nearMax = 5;
/** Names that are looked at for one that is not there. */
const comparedMax = 40_000;

type Journal = (query: EventQuery) => Iterable<AgentEvent>;

/** Says all that is known of a name: what is held of it and who has it, or why clients are not served it. Nothing is changed by it. */
export function explain(core: Core, query: ExplainQuery, journal: Journal, clock: Clock): Explanation {
  const name = canonicalName(query.name);
  const places: { view: View; type: TypeView }[] = [];
  for (const view of core.views()) {
    for (const type of view.types.values()) {
      if (query.typeUrl === undefined || query.typeUrl === type.typeUrl) places.push({ view, type });
    }
  }
  const known = places.filter(({ view, type }) => isKnown(type, name) || isRemembered(view, type, name, journal));
  const told = known.length > 0 ? known : places;
  return {
    name,
    nowWallMs: clock.wallMs,
    found: told.slice(0, foundMax).map(({ view, type }) => explainIn(core, view, type, name, journal, clock)),
    isKnown: known.length > 0,
    near: known.length > 0 ? [] : nearOf(name, places),
  };
}

/** Whether a type has to do with the name. */
function isKnown({ store, interest, heldRemovals }: TypeView, name: string): boolean {
  return store.isSettled(name) || interest.has(name) || heldRemovals.has(name) || parked(store, name);
}

function parked(store: TypeView['store'], name: string): boolean {
  return store.heldVersion(name) !== undefined;
}

function isRemembered(view: View, { typeUrl }: TypeView, name: string, journal: Journal): boolean {
  for (const _ of journal({ viewKey: view.key, typeUrl, name })) return true;
  return false;
}

function explainIn(
  core: Core,
  view: View,
  type: TypeView,
  name: string,
  journal: Journal,
  clock: Clock,
): ExplainedName {
  const { typeUrl, store, interest, feeds, main, heldRemovals } = type;
  const events = [...journal({ viewKey: view.key, typeUrl, name })];
  const entryName = store.served.find(name)?.name ?? name;
  const query = { typeUrl, viewKey: view.key, names: [entryName], hasClients: true, hasBodies: false };
  const [resource] = heldResources(core, query, clock);
  const quarantined = store.quarantined.get(entryName);
  const isReplaced = quarantined !== undefined && !quarantined.isServed && store.get(entryName) !== undefined;
  const { version, any, digest } = quarantined?.entry ?? { version: '', any: Buffer.alloc(0), digest: '' };
  const isSecret = isSecretType(typeUrl);
  return {
    viewKey: view.key,
    typeUrl,
    shortName: traitsOf(typeUrl).shortName,
    resource: resource && withFewClients(resource),
    missing: missingReason(type, name, lastUpdate(events), clock),
    refused: isReplaced && !isSecret ? { version, bytes: any.length, digest } : undefined,
    asked: { isWildcard: interest.isWildcard, ...askers(core, view, type, name) },
    rejectedAlongWith: alongWith(core, view, type, entryName),
    isRemovalHeld: heldRemovals.has(name),
    upstreams: feeds
      .filter(feed => feed === main || feed.session.types.isWanted(typeUrl))
      .map(({ session }) => ({ viewKey: view.key, group: session.group, isInUse: true, ...session.status })),
    events: events.slice(-eventsMax),
  };
}

/** The newest update that names it: whatever it did to it is how it stands. */
function lastUpdate(events: readonly AgentEvent[]): AgentEvent | undefined {
  return events.findLast(event => event.kind === 'update');
}

/** Why clients are not served a name; undefined while they are. What is certain comes before what is only likely. */
function missingReason(
  type: TypeView,
  name: string,
  update: AgentEvent | undefined,
  clock: Clock,
): MissingReason | undefined {
  const { typeUrl, store, scope, interest, freshness } = type;
  if (!scope.sees(name)) return { kind: 'out of scope' };
  if (!store.served.behind(name).next().done) {
    return store.isWithheld ? { kind: 'withheld', ageMs: freshness.ageMs(clock.wallMs) } : undefined;
  }
  // It waits in the idle tier for whoever asks.
  if (store.parkedEntry(name)) return { kind: 'not asked for' };
  const refused = store.quarantined.get(name);
  if (refused) return { kind: 'quarantined', quarantine: quarantineOf(name, refused) };
  if (!isWanted(type, name)) return { kind: 'not asked for' };
  const failure = store.failures.get(name)?.status;
  if (failure) return { kind: 'error', code: failure.code, message: sayableOf(typeUrl, failure.message) };
  const isRemoved = update?.names?.removed.names.includes(name) ?? false;
  const reason = store.absences.reason(name);
  if (isRemoved || store.absences.tombstone(name)) return { kind: 'removed', event: isRemoved ? update : undefined };
  if (reason === 'upstream' || reason === 'inferred')
    return { kind: 'does not exist', isInferred: reason === 'inferred' };
  if (interest.isWildcard && store.isKnown) return { kind: 'not in the list', resources: store.size };
  const { session } = feedOf(type, name);
  if (!session.isOpen) return { kind: 'upstream away' };
  if (reason !== undefined) return { kind: 'timed out' };
  if (interest.isWildcard) return { kind: 'list incomplete', resources: store.size };
  const sinceMs = session.types.get(typeUrl)?.tracker.waitingSinceMs(name) ?? Infinity;
  return { kind: 'not answered', waitedMs: sinceMs === Infinity ? undefined : clock.monotonicMs - sinceMs };
}

/** Where a name comes from: each control plane is asked for its own names (R34). */
function feedOf({ typeUrl, feeds, main }: TypeView, name: string): Feed {
  return feeds.find(feed => feed !== main && feed.session.types.get(typeUrl)?.interest.has(name)) ?? main;
}

function askers(
  core: Core,
  view: View,
  { typeUrl }: TypeView,
  name: string,
): { readonly clients: number; readonly nodeIds: string[]; readonly deniedTo: string[] } {
  const nodeIds: string[] = [];
  const deniedTo: string[] = [];
  let clients = 0;
  const add = (ids: string[], { identity }: Client): void => {
    const id = identity?.id ?? '';
    if (ids.length < nodeIdsMax && !ids.includes(id)) ids.push(id);
  };
  for (const client of core.clients()) {
    const type = client.view === view ? client.stream.type(typeUrl) : undefined;
    if (!type) continue;
    if (!type.seen.scope.sees(name)) add(deniedTo, client);
    else if (type.covers(name)) {
      clients++;
      add(nodeIds, client);
    }
  }
  return { clients, nodeIds, deniedTo };
}

/** What the words of those that rejected a name are about, if it is something else. */
function alongWith(core: Core, view: View, { typeUrl }: TypeView, name: string): string[] {
  const others = new Set<string>();
  for (const client of core.clients()) {
    const type = client.view === view ? client.stream.type(typeUrl) : undefined;
    const words = type?.refused.words(name);
    if (!type || words === undefined) continue;
    const { names, areNamed } = suspectsOf(words, [...type.refused.names()]);
    if (!areNamed || names.includes(name)) return [];
    for (const other of names) if (others.size < nearMax) others.add(other);
  }
  return [...others];
}

const worstFirst: readonly ResourceWord['word'][] = ['nacked', 'not sent', 'pending', 'sent', 'acked'];

function withFewClients(resource: HeldResource): HeldResource {
  const words = resource.clients ?? [];
  const clients = worstFirst.flatMap(word => words.filter(one => one.word === word)).slice(0, clientsMax);
  return { ...resource, clients };
}

/** Names that are held, or asked for, and could have been meant. */
function nearOf(name: string, places: readonly { readonly type: TypeView }[]): Explanation['near'] {
  const found = new Map<string, { readonly typeUrl: string; readonly shortName: string; readonly name: string }>();
  let left = comparedMax;
  for (const { type } of places) {
    const { typeUrl, store, interest } = type;
    const candidates: string[] = [];
    for (const source of [store.served.entries.keys(), interest.names()]) {
      for (const one of source) {
        if (left <= 0) break;
        left--;
        if (one !== name) candidates.push(one);
      }
    }
    for (const one of nearestFirst(name, candidates, nearMax)) {
      found.set(`${typeUrl} ${one}`, { typeUrl, shortName: traitsOf(typeUrl).shortName, name: one });
    }
  }
  const order = nearestFirst(name, new Set([...found.values()].map(one => one.name)), nearMax);
  return order.flatMap(one => [...found.values()].filter(near => near.name === one)).slice(0, nearMax);
}
