import type { Random } from '../upstream/backoff.ts';
import { Session } from '../upstream/session.ts';
import type { SessionSettings } from '../upstream/session-state.ts';
import type { AuthorityGroup, StreamGroup } from '../xds/type-urls.ts';
import type { Authorities } from './authorities.ts';

/** Streams of a view; types that would need one more share the last. */
const ownStreamsMax = 8;

/** The upstream streams of one view, one for each stream group, all with the same node. */
export class Streams {
  /** Encoded Node that they carry. */
  node: Buffer;
  readonly #settings: SessionSettings;
  readonly #authorities: Authorities;
  readonly #newStreamId: () => number;
  readonly #random: Random;
  readonly #sessions = new Map<StreamGroup, Session>();

  constructor(
    node: Buffer,
    settings: SessionSettings & { readonly authorities: Authorities },
    newStreamId: () => number,
    random: Random,
  ) {
    this.node = node;
    this.#settings = settings;
    this.#authorities = settings.authorities;
    this.#newStreamId = newStreamId;
    this.#random = random;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** The stream of a group, made when first asked for. */
  of(group: StreamGroup): Session {
    return this.#sessions.get(group) ?? this.#make(group, this.#settings);
  }

  /** The stream to the control plane of other authorities. */
  ofAuthority(group: AuthorityGroup): Session {
    const known = this.#sessions.get(group);
    return known ?? this.#make(group, { ...this.#settings, addresses: this.#authorities.addressesOf(group) });
  }

  /** A stream for a type over which a server ended the one that it shared. */
  ownFor(typeUrl: string): Session {
    return this.of(this.#sessions.size < ownStreamsMax ? `own ${typeUrl}` : 'own others');
  }

  /** The session with the stream of this number. */
  find(streamId: number): Session | undefined {
    for (const session of this) if (session.streamId === streamId) return session;
    return undefined;
  }

  /** They carry another node from now on. */
  introduce(node: Buffer): void {
    this.node = node;
    for (const session of this) session.introduce(node);
  }

  /** Upstream is asked for something and cannot be reached. */
  get isCutOff(): boolean {
    for (const session of this) if (!session.isOpen && session.phase !== 'idle') return true;
    return false;
  }

  nextDeadlineMs(): number {
    let deadline = Infinity;
    for (const session of this) deadline = Math.min(deadline, session.nextDeadlineMs());
    return deadline;
  }

  #make(group: StreamGroup, settings: SessionSettings): Session {
    const session = new Session(group, settings, this.node, this.#newStreamId, this.#random);
    this.#sessions.set(group, session);
    return session;
  }
}
