import type { TypeStore } from '../cache/store.ts';
import type { HeldState } from '../upstream/interest.ts';
import type { Session } from '../upstream/session.ts';
import type { Received } from '../upstream/session-events.ts';
import type { Clock, TypeUrl } from '../xds/types.ts';
import type { Note } from './events.ts';
import { type GuardSettings, isShrunken } from './guard.ts';
import type { Change, Intake } from './intake.ts';
import type { Lane, Staging } from './lane.ts';
import { Room, type RoomSettings } from './room.ts';
import { SilenceReader } from './silence.ts';
import { isWanted, type TypeView } from './type-view.ts';

/** A type of another server, and what a stream resumes from with it. */
export interface StagedType {
  readonly type: TypeView;
  readonly held: HeldState;
  /** What is served of it meanwhile. */
  readonly served: TypeStore;
}

/** Bytes that a look for references may read at one time: some 50 ms. Past it the names are waited for. */
const searchBytesMax = 200 * 1024 * 1024;

/**
 * What another server has said since its stream was opened, kept apart from what is served until it is whole (R109). It is acknowledged as
 * it comes: no client has seen it yet, and a rejection after the switch is a late one (R100).
 */
export class StagedSet implements Staging {
  readonly #session: Session;
  readonly #make: (typeUrl: TypeUrl, room: Room) => StagedType;
  readonly #settings: RoomSettings & GuardSettings;
  readonly #room: Room;
  readonly #intake: Intake;
  readonly #note: (note: Note) => void;
  readonly #types = new Map<TypeUrl, TypeView>();
  readonly #held = new Map<TypeUrl, HeldState>();
  readonly #served = new Map<TypeUrl, TypeStore>();
  readonly #silence: SilenceReader;
  /** Names that nothing staged refers to, by the state that this was found in. */
  #unreferenced: { readonly state: string; readonly names: ReadonlySet<string> } | undefined;

  /** @param make gives a type with a store of its own, in this room, and the interest of the one that is served */
  constructor(
    session: Session,
    settings: RoomSettings & GuardSettings,
    make: (typeUrl: TypeUrl, room: Room) => StagedType,
    intake: Intake,
    note: (note: Note) => void,
    typeUrls: Iterable<TypeUrl>,
  ) {
    this.#session = session;
    this.#settings = settings;
    this.#make = make;
    this.#room = new Room(settings, this.#types);
    this.#intake = intake;
    this.#note = note;
    this.#silence = new SilenceReader(this.#types, intake, note);
    for (const typeUrl of typeUrls) this.add(typeUrl);
  }

  add(typeUrl: TypeUrl): void {
    if (this.#types.has(typeUrl)) return;
    const { type, held, served } = this.#make(typeUrl, this.#room);
    this.#types.set(typeUrl, type);
    this.#held.set(typeUrl, held);
    this.#served.set(typeUrl, served);
  }

  remove(typeUrl: TypeUrl): void {
    this.#types.delete(typeUrl);
    this.#held.delete(typeUrl);
    this.#served.delete(typeUrl);
  }

  wildcardEnded(typeUrl: TypeUrl): void {
    const type = this.#types.get(typeUrl);
    type?.store.forgetWildcard(name => isWanted(type, name));
  }

  heldOf(typeUrl: TypeUrl): HeldState | undefined {
    return this.#held.get(typeUrl);
  }

  types(): IterableIterator<TypeView> {
    return this.#types.values();
  }

  /** Whether the server has said anything. */
  /** The other server is alive: see {@link Intake.proven}. */
  proven(nowMs: number): void {
    for (const type of this.#types.values()) this.#intake.proven(type, nowMs);
  }

  get isHeard(): boolean {
    for (const type of this.#types.values()) if (isHeard(type)) return true;
    return false;
  }

  /** Whether it has nothing for us: a control plane that has just started, or that does not know the node. */
  get isEmpty(): boolean {
    for (const { store } of this.#types.values()) if (store.size > 0) return false;
    return true;
  }

  get isShrunken(): boolean {
    for (const type of this.#types.values()) {
      const { typeUrl, store } = type;
      if (!store.traits.isFullState || !isHeard(type)) continue;
      if (isShrunken(this.#settings, this.#served.get(typeUrl)?.size ?? 0, store.size)) return true;
    }
    return false;
  }

  /** Whether everything that clients hold was answered: every list is whole, and of every name it is clear what there is. */
  get isWhole(): boolean {
    const open: string[] = [];
    for (const { typeUrl, store } of this.#types.values()) {
      const interest = this.#session.types.get(typeUrl)?.interest;
      const served = this.#served.get(typeUrl);
      if (!interest || !served) continue;
      // Of what nobody was given there is nothing that another server's could be mixed with.
      const isGiven = served.isKnown || served.size > 0;
      if (interest.isWildcard && isGiven && !store.isKnown) return false;
      for (const name of interest.names()) if (!store.isSettled(name) && served.isSettled(name)) open.push(name);
    }
    return open.length === 0 || open.every(name => this.#findUnreferenced(open).has(name));
  }

  /** Takes in what a response turned out to be. */
  take(received: Received, clock: Clock): void {
    if (received.kind !== 'accepted') return;
    const { typeUrl, nonce } = received.response;
    const type = this.#types.get(typeUrl);
    if (!type) return;
    this.#intake.apply(type, type.main, received, clock);
    this.#session.types.answer(typeUrl, nonce, undefined, false, clock.monotonicMs);
    this.#note({ kind: 'upstream_answered', typeUrl, nonce, verdict: 'ack', reason: undefined, waitedMs: 0 });
  }

  /** Lets time pass. */
  tick(nowMs: number): void {
    // What outlived its TTL was answered, and is a name that there is nothing of any more (R113).
    for (const { store } of this.#types.values()) {
      for (const name of store.expire(nowMs)) store.setAbsent(name, 'upstream');
    }
    this.#silence.read(this.#session, nowMs);
  }

  /**
   * Names that stand nowhere in what is staged. Whoever refers to a resource spells its name out, so that no client will ask for it once it has
   * this set, and servers that are silent about what they do not have need not be waited for.
   */
  #findUnreferenced(names: readonly string[]): ReadonlySet<string> {
    let revisions = 0;
    let bytes = 0;
    for (const { store } of this.#types.values()) {
      revisions += store.revision;
      bytes += store.served.bytes;
    }
    const state = `${revisions} ${names.length}`;
    if (this.#unreferenced?.state === state) return this.#unreferenced.names;
    const found = new Set<string>();
    if (bytes * names.length <= searchBytesMax) {
      for (const name of names) if (name !== '' && !this.#isSpelledOut(name)) found.add(name);
    }
    this.#unreferenced = { state, names: found };
    return found;
  }

  #isSpelledOut(name: string): boolean {
    const spelling = Buffer.from(name);
    for (const { store } of this.#types.values()) {
      for (const { any } of store.entries()) if (any.includes(spelling)) return true;
    }
    return false;
  }
}

/** Whether the server has answered for a type. */
function isHeard({ freshness }: TypeView): boolean {
  return freshness.provenance === 'upstream';
}

/**
 * What another server has said takes the place of what is served.
 *
 * @param types those that are served
 * @returns what changed, and the types of which it has said nothing although they are wanted
 */
export function takeOverSet(
  { lane, from, set }: { readonly lane: Lane; readonly from: Session; readonly set: StagedSet },
  types: ReadonlyMap<TypeUrl, TypeView>,
  intake: Intake,
  clock: Clock,
): { readonly changes: readonly Change[]; readonly open: readonly string[] } {
  const changes: Change[] = [];
  const open: string[] = [];
  for (const staged of set.types()) {
    const type = types.get(staged.typeUrl);
    const feed = type?.feeds.find(one => one.lane === lane);
    if (!type || !feed) continue;
    if (isHeard(staged)) changes.push(intake.takeOver(type, feed, staged, clock));
    else if (from.types.isWanted(staged.typeUrl)) open.push(type.store.traits.shortName);
    staged.store.dispose();
  }
  return { changes, open };
}
