import type { Entry } from '../cache/entry.ts';
import type { Interest } from '../upstream/interest.ts';
import type { Session } from '../upstream/session.ts';
import { digestOf } from '../xds/digest.ts';
import type { UpstreamResponse } from '../xds/discovery.ts';
import { aliasesIn } from '../xds/resource-fields.ts';
import { globOf } from '../xds/resource-name.ts';
import { grpcCode } from '../xds/types.ts';
import type { TypeView } from './type-view.ts';

/** How a held resource and upstream's differ. `missing`: upstream has it and it is not held; `extra`: the reverse. */
export type Difference = 'missing' | 'extra' | 'different';

/** A resource as the fresh fetch has it: the bytes are not kept, so what equals a held content remembers that. */
interface Fetched {
  readonly content: { readonly same: Entry } | { readonly digest: string };
  /** The other names that it may be asked for by. */
  readonly aliases: readonly string[];
}

/** A difference, with what it is between: the same one later is one in which nothing has moved. */
export interface Suspicion {
  readonly kind: Difference;
  readonly held: Entry | undefined;
  readonly fetched: unknown;
}

/** One type of one upstream stream in a drift check: what a fresh fetch says of it, and how that differs from what is held. */
export class DriftPart {
  readonly type: TypeView;
  /** What is asked for: a snapshot, so that the second stream need not follow the clients. */
  readonly interest: Interest;
  readonly #belongs: (name: string) => boolean;
  #fetched = new Map<string, Fetched>();
  /** Upstream answered with an error in place of the resource. */
  readonly #failed = new Set<string>();
  /** Names of which the time for an answer ran out: nobody knows. */
  readonly #unanswered = new Set<string>();

  /** @param belongs whether a name is one that this stream decides on: others are those of other authorities (R34) */
  constructor(type: TypeView, wanted: Interest, belongs: (name: string) => boolean) {
    this.type = type;
    this.#belongs = belongs;
    const names = new Set(wanted.names());
    const { isWildcard } = wanted;
    this.interest = { isWildcard, size: names.size, has: name => names.has(name), names: () => names };
  }

  /** How many resources upstream has. */
  get fetched(): number {
    return this.#fetched.size;
  }

  /** Takes in a response. @param removed names that it takes away, on this stream */
  take({ resources, failures }: UpstreamResponse, isWhole: boolean, removed: readonly string[]): void {
    const before = this.#fetched;
    if (isWhole) this.#fetched = new Map();
    for (const name of removed) this.#fetched.delete(name);
    // Where upstream says that there is none, what is held of it is too much (R119).
    for (const { name, status } of failures) if (status.code !== grpcCode.notFound) this.#failed.add(name);
    for (const resource of resources) {
      const { name, any, extra } = resource;
      this.#failed.delete(name);
      if (!this.type.scope.sees(name) || !this.#belongs(name)) continue;
      // What comes again as it was has not moved: a control plane may send everything with each push.
      const known = before.get(name);
      this.#fetched.set(name, known && isContent(known, any) ? known : this.#read(name, any, aliasesIn(extra)));
    }
  }

  #read(name: string, any: Buffer, aliases: readonly string[]): Fetched {
    const same = this.#held(name).find(entry => entry.any.equals(any));
    return { content: same ? { same } : { digest: digestOf(any) }, aliases };
  }

  /** The time for an answer ran out. */
  timedOut(names: readonly string[]): void {
    for (const name of names) this.#unanswered.add(name);
  }

  /** Whether the answer is whole by now, as far as the session can tell. */
  isWhole(session: Session, nowMs: number): boolean {
    const link = session.types.get(this.type.typeUrl);
    if (!link || !session.types.isWanted(this.type.typeUrl)) return true;
    if (link.tracker.waitingCount > 0) return false;
    if (!this.interest.isWildcard) return link.askedAs !== undefined;
    return session.confirmedAtMs(this.type.typeUrl) <= nowMs;
  }

  /** Whether anything of it came. */
  isHeard(session: Session): boolean {
    return session.types.get(this.type.typeUrl)?.isAnswered ?? false;
  }

  /** Whether there is something held of which nobody knows whether upstream still has it. */
  get isAnyOpen(): boolean {
    for (const name of this.#unanswered) {
      if (this.#held(name).length > 0 && !this.#fetched.has(name) && this.#isWantedNow(name, [])) return true;
    }
    return false;
  }

  /** What differs at this moment, by name. */
  differences(): Map<string, Suspicion> {
    const { store, heldRemovals } = this.type;
    const differences = new Map<string, Suspicion>();
    for (const [name, fetched] of this.#fetched) {
      const held = this.#held(name);
      if (held.length === 0) {
        if (this.#isWantedNow(name, fetched.aliases)) {
          differences.set(name, { kind: 'missing', held: undefined, fetched });
        }
      } else if (!held.some(entry => isSame(entry, fetched))) {
        differences.set(name, { kind: 'different', held: held[0], fetched });
      }
    }
    for (const entry of store.entries()) {
      const { name } = entry;
      const isJudged = !this.#fetched.has(name) && !this.#failed.has(name) && !this.#unanswered.has(name);
      if (isJudged && !heldRemovals.has(name) && this.#isAskedFor(entry) && this.#isWantedNow(name, entry.aliases)) {
        differences.set(name, { kind: 'extra', held: entry, fetched: undefined });
      }
    }
    return differences;
  }

  /** All contents of a name: what is served, what is refused, and what waits in the idle tier. */
  #held(name: string): Entry[] {
    const { store } = this.type;
    const held = [store.get(name), store.quarantined.get(name)?.entry].filter(entry => entry !== undefined);
    if (held.length > 0) return held;
    const parked = store.parkedEntry(name);
    return parked ? [parked] : [];
  }

  /**
   * Whether a client wants it at this moment. What only lingers may have been given up by the idle tier, and is sent again to whoever wants it; and in
   * SotW nobody hears of its end (R21).
   */
  #isWantedNow(name: string, aliases: readonly string[]): boolean {
    const { interest } = this.type;
    const glob = globOf(name);
    if (interest.isWildcard || interest.isNamed(name) || (glob !== undefined && interest.isNamed(glob))) return true;
    return aliases.some(alias => interest.isNamed(alias));
  }

  #isAskedFor({ name, aliases }: Entry): boolean {
    const { interest } = this;
    if (!this.#belongs(name)) return false;
    const glob = globOf(name);
    if (interest.isWildcard || interest.has(name) || (glob !== undefined && interest.has(glob))) return true;
    return aliases.some(alias => interest.has(alias));
  }
}

function isSame(entry: Entry, { content }: Fetched): boolean {
  if (!('same' in content)) return entry.digest === content.digest;
  return entry === content.same || entry.any.equals(content.same.any);
}

function isContent({ content }: Fetched, any: Buffer): boolean {
  return 'same' in content ? content.same.any.equals(any) : content.digest === digestOf(any);
}
