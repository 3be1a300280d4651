import type { Entry } from '../cache/entry.ts';
import type { TypeStore } from '../cache/store.ts';
import type { DiskChange, StoredContent, StoredResource, StoredTypeState } from '../cache/stored.ts';
import type { Clock, Nonce, ViewKey } from '../xds/types.ts';

interface Group {
  /** Response whose verdict is awaited; undefined when there is nothing to wait for. */
  nonce: Nonce | undefined;
  readonly contents: readonly (readonly [name: string, content: Entry | undefined])[];
  readonly state: StoredTypeState | undefined;
  /** The contents are the whole of the type. */
  readonly isReset: boolean;
}

/**
 * What the disk has still to be told of one type, in order. The changes of a response wait for its verdict, so that what is on disk is always a
 * state that the control plane really had and that nobody has rejected out of hand (R81, R102).
 */
export class DiskLog {
  readonly #viewKey: ViewKey;
  readonly #store: TypeStore;
  #groups: Group[] = [];
  /** The disk may have rows of names that nobody wants. */
  hasLeftovers = false;

  constructor(viewKey: ViewKey, store: TypeStore) {
    this.#viewKey = viewKey;
    this.#store = store;
  }

  /** Changed contents by name, undefined for one that is gone; written once the verdict on `nonce` is known, in its turn. */
  add(
    nonce: Nonce | undefined,
    contents: Iterable<readonly [string, Entry | undefined]>,
    state: StoredTypeState | undefined,
  ): void {
    this.#groups.push({ nonce, contents: [...contents], state, isReset: false });
  }

  /** What is held now is the whole of the type: whatever else the disk has of it goes. */
  reset(nonce: Nonce | undefined, state: StoredTypeState): void {
    const contents = [...heldEntries(this.#store)].map(entry => [entry.name, entry] as const);
    this.#groups.push({ nonce, contents, state, isReset: true });
    this.hasLeftovers = false;
  }

  /** The disk has lost everything: {@link reset}, in the place of whatever else still waits. */
  rewrite(state: StoredTypeState): void {
    const nonce = this.#groups.findLast(group => group.nonce !== undefined)?.nonce;
    this.#groups = [];
    this.reset(nonce, state);
  }

  /** Contents that have another standing now: accepted, refused, given another TTL. */
  touch(names: Iterable<string>): void {
    const contents: [string, Entry | undefined][] = [];
    const held = this.#heldNames();
    for (const name of names) {
      const entry = this.#store.quarantined.get(name)?.entry ?? this.#store.get(name);
      // What waits for a verdict takes its standing along when it is written.
      if (entry && !held.has(name)) contents.push([name, entry]);
    }
    if (contents.length > 0) this.add(undefined, contents, undefined);
  }

  /** The verdict on a response is known, whatever it is: the store knows what was refused. */
  decided(nonce: Nonce): void {
    for (const group of this.#groups) if (group.nonce === nonce) group.nonce = undefined;
  }

  /** No verdict will come any more. */
  decideAll(): void {
    for (const group of this.#groups) group.nonce = undefined;
  }

  /** Takes what may be written now. */
  take(clock: Clock): DiskChange[] {
    const count = this.#groups.findIndex(group => group.nonce !== undefined);
    if (count === 0 || this.#groups.length === 0) return [];
    const changes: DiskChange[] = [];
    const base = { viewKey: this.#viewKey, typeUrl: this.#store.typeUrl };
    for (const { contents, state, isReset } of this.#groups.splice(0, count < 0 ? this.#groups.length : count)) {
      if (isReset) changes.push({ ...base, kind: 'clear' });
      for (const [name, content] of contents) {
        if (content) changes.push({ ...base, kind: 'put', resource: storedOf(this.#store, content, clock) });
        else changes.push({ ...base, kind: 'delete', name });
      }
      if (state) changes.push({ ...base, kind: 'type', state });
    }
    return changes;
  }

  /** Names of which something waits for a verdict. */
  #heldNames(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { nonce, contents } of this.#groups) {
      if (nonce !== undefined) for (const [name] of contents) names.add(name);
    }
    return names;
  }
}

/** A content as it is kept outside the store, with what clients have said of it and the rest of its TTL. */
export function storedOf({ quarantined, deadlines }: TypeStore, entry: Entry, clock: Clock): StoredResource {
  const refused = quarantined.get(entry.name);
  const refusal = refused?.entry === entry ? refused.refusal : undefined;
  const expiryMs = deadlines.get(entry.name);
  return {
    name: entry.name,
    ...contentOf(entry),
    trust: refusal ? 'refused' : entry.isAccepted ? 'accepted' : 'presumed',
    refusal,
    good: entry.good && contentOf(entry.good),
    changedWallMs: entry.changedWallMs || undefined,
    deadlineWallMs: expiryMs === undefined ? undefined : Math.round(clock.wallMs + expiryMs - clock.monotonicMs),
  };
}

/** Everything that is held of a type: served, parked, and refused contents in place of those served for them. */
export function* heldEntries(store: TypeStore): Generator<Entry> {
  for (const entry of store.parked()) {
    if (!store.get(entry.name) && !store.quarantined.has(entry.name)) yield entry;
  }
  for (const entry of store.entries()) if (!store.quarantined.has(entry.name)) yield entry;
  for (const { entry } of store.quarantined.values()) yield entry;
}

function contentOf({ version, any, extra }: Entry): StoredContent {
  return { version, any, extra };
}
