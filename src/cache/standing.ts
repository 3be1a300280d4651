import type { WireResource } from '../xds/discovery.ts';
import type { Entry } from './entry.ts';
import type { Quarantined } from './quarantine.ts';
import type { Refusal } from './stored.ts';

/** What the standing of contents needs of the store that holds them. */
interface Holder {
  readonly entries: ReadonlyMap<string, Entry>;
  /** Takes an entry out of the served set; no client hears of it. */
  drop(entry: Entry): void;
  /** Puts an entry into the served set; no client hears of it. */
  hold(entry: Entry): void;
  /** Gives a name another content under a new revision. */
  replace(name: string, content: WireResource): void;
}

/** How many names of one type have a content of which standing. */
export interface StandingCounts {
  /** Served, and no client has accepted it yet. */
  readonly presumed: number;
  /** Served, and a client has accepted it. */
  readonly accepted: number;
  /** Refused; the last accepted content is served in its place. */
  readonly replaced: number;
  /** Refused, and there is nothing that was accepted: it is left out, or served all the same, or nobody asks for it at the moment. */
  readonly refused: number;
}

/** What clients have said of the contents of one type: which were accepted, which are in quarantine (R102). */
export class Standing {
  readonly #holder: Holder;
  /** Names whose newest content no client has accepted yet. */
  readonly #untried = new Set<string>();
  readonly #quarantine = new Map<string, Quarantined>();
  /** Names for which the last accepted content is served in place of the refused one. */
  readonly #replaced = new Set<string>();
  /** Names whose refused content is served all the same. */
  readonly #insisted = new Set<string>();
  #epoch = 0;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Refused contents by name. */
  get quarantined(): ReadonlyMap<string, Quarantined> {
    return this.#quarantine;
  }

  /** How many contents are held of each standing; nothing is counted anew for it. */
  get counts(): StandingCounts {
    const presumed = this.#untried.size - this.#insisted.size;
    const accepted = this.#holder.entries.size - this.#untried.size - this.#replaced.size;
    return { presumed, accepted, replaced: this.#replaced.size, refused: this.#quarantine.size - this.#replaced.size };
  }

  /** An entry came into the served set. */
  held({ name, isAccepted }: Entry): void {
    if (this.#quarantine.size > 0) this.#unmark(name);
    if (!isAccepted) this.#untried.add(name);
  }

  /** An entry left the served set. */
  gone({ name }: Entry): void {
    this.#untried.delete(name);
    if (this.#quarantine.size > 0) this.#unmark(name);
  }

  /** The quarantine of a name is over. */
  release(name: string): void {
    if (this.#quarantine.delete(name)) this.#unmark(name);
  }

  /** A content that is in quarantine came from another server: it is known by that one's version from now on. Returns false for any other. */
  refusedElsewhere({ name, any, version }: WireResource): boolean {
    const refused = this.#quarantine.get(name);
    if (!refused?.entry.any.equals(any)) return false;
    refused.entry.version = version;
    return true;
  }

  accepted(entry: Entry): void {
    entry.isAccepted = true;
    entry.good = undefined;
    this.#untried.delete(entry.name);
  }

  /**
   * A client accepted what it was sent of the revisions after `fromRevision` up to `toRevision`.
   *
   * @param epoch of the store when the message was made: what it held of a name in quarantine since is another content
   * @param covers whether the client is subscribed to a name
   * @returns names whose standing is another one now; a refused content among them is served again under a new revision
   */
  accept(fromRevision: number, toRevision: number, epoch: number, covers: (name: string) => boolean): string[] {
    const names: string[] = [];
    const isMeant = (name: string, { revision }: Entry): boolean =>
      revision > fromRevision && revision <= toRevision && covers(name);
    for (const [name, refused] of this.#quarantine) {
      if (refused.epoch <= epoch || !isMeant(name, refused.entry)) continue;
      this.release(name);
      if (!refused.isServed) this.#holder.replace(name, refused.entry);
      const entry = this.#holder.entries.get(name);
      if (entry) this.accepted(entry);
      names.push(name);
    }
    for (const name of this.#untried) {
      const entry = this.#holder.entries.get(name);
      // One that is served although it was refused is accepted by the word of a client that was sent it after that, too.
      if (!entry || !isMeant(name, entry)) continue;
      this.release(name);
      this.accepted(entry);
      names.push(name);
    }
    return names;
  }

  /** Nothing else would be left: what was left out is served all the same, under new revisions. */
  serveLeftOut(): void {
    for (const [name, refused] of [...this.#quarantine]) {
      if (refused.isServed) continue;
      this.#holder.replace(name, refused.entry);
      const entry = this.#holder.entries.get(name);
      if (!entry) continue;
      this.#quarantine.set(name, { ...refused, entry, isServed: true });
      this.#insisted.add(name);
    }
  }

  /**
   * Every client that answered rejected this content. Who starts from now on is given the last accepted content instead; without one it is
   * left out if the clients named it, and else, or if nothing would be left, served all the same (R102). Clients connected hear nothing.
   *
   * @returns false when the content is not the newest any more or was accepted meanwhile
   */
  refuse(entry: Entry, refusal: Refusal): boolean {
    const { name, good } = entry;
    const { entries } = this.#holder;
    if (entries.get(name) !== entry || entry.isAccepted) return false;
    const isServed = !good && (!refusal.isNamed || entries.size === 1);
    this.#quarantine.set(name, { entry, refusal, isServed, epoch: ++this.#epoch });
    if (isServed) {
      this.#insisted.add(name);
      return true;
    }
    this.#holder.drop(entry);
    if (!good) return true;
    this.#holder.hold(good);
    this.#replaced.add(name);
    return true;
  }

  /** Something else is served of the name now, or its quarantine is over. */
  #unmark(name: string): void {
    this.#replaced.delete(name);
    this.#insisted.delete(name);
  }
}
