import type { Random } from '../upstream/backoff.ts';
import type { ClientReport } from '../upstream/client-reports.ts';
import type { Session } from '../upstream/session.ts';
import type { SessionNote } from '../upstream/session-events.ts';
import type { AuthorityGroup, StreamGroup } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Authorities } from './authorities.ts';
import { Lane, type LaneSettings, type Staging } from './lane.ts';

const noReports: ReadonlyMap<TypeUrl, ClientReport> = new Map();
/** Streams of a view; types that would need one more share the last. */
const ownStreamsMax = 8;

/** What the upstream streams of a view are made with. */
export interface StreamsSettings extends LaneSettings {
  /** Control planes besides the main one. */
  readonly authorities: Authorities;
  /** Everything goes over one stream: the upstream allows no second one. */
  readonly isSingleStream: boolean;
}

/** The upstream streams of one view, a lane for each stream group, all with the same node. */
export class Streams<T extends Staging = Staging> {
  /** Encoded Node that they carry. */
  node: Buffer;
  readonly #reports = new Map<TypeUrl, ClientReport & { readonly streamId: number }>();
  readonly #settings: StreamsSettings;
  readonly #newStreamId: () => number;
  readonly #random: Random;
  readonly #newSet: (lane: Lane, session: Session) => T;
  readonly #lanes = new Map<StreamGroup, Lane<T>>();

  constructor(
    node: Buffer,
    settings: StreamsSettings,
    newStreamId: () => number,
    random: Random,
    newSet: (lane: Lane, session: Session) => T,
  ) {
    this.node = node;
    this.#settings = settings;
    this.#newStreamId = newStreamId;
    this.#random = random;
    this.#newSet = newSet;
  }

  lanes(): IterableIterator<Lane<T>> {
    return this.#lanes.values();
  }

  /** Every stream, those that are about to take another one's place included. */
  *[Symbol.iterator](): Generator<Session> {
    for (const lane of this.lanes()) yield* lane.sessions();
  }

  /** Every stream, and whether its content is served: it is not while a control plane is about to take another one's place. */
  *placed(): Generator<{ readonly session: Session; readonly isInUse: boolean }> {
    for (const lane of this.lanes())
      for (const session of lane.sessions()) yield { session, isInUse: session === lane.active };
  }

  /** The control plane that feeds the main stream at the moment, as configured: one that is listed. */
  get mainAddress(): string {
    const { address } = this.of('main').active;
    const { addresses } = this.#settings;
    return addresses.includes(address) ? address : (addresses[0] ?? '');
  }

  /** Place of that control plane in the list, 0 for the first; -1 for one that is not listed, whose content is served on. */
  get mainIndex(): number {
    return this.#lanes.get('main')?.activeIndex ?? 0;
  }

  /** The lane of a group, made when first asked for. */
  of(group: StreamGroup): Lane<T> {
    const { isSingleStream } = this.#settings;
    const known = isSingleStream ? 'main' : group;
    return this.#lanes.get(known) ?? this.#make(known, this.#settings);
  }

  /** The lane of the control plane of other authorities. */
  ofAuthority(group: AuthorityGroup): Lane<T> {
    const addresses = this.#settings.authorities.addressesOf(group);
    return this.#lanes.get(group) ?? this.#make(group, { ...this.#settings, addresses });
  }

  /** A lane for a type over which a server ended the stream that it shared. */
  ownFor(typeUrl: string): Lane<T> {
    return this.of(this.#lanes.size < ownStreamsMax ? `own ${typeUrl}` : 'own others');
  }

  /** The lane and the session with the stream of this number. */
  find(streamId: number): { readonly lane: Lane<T>; readonly session: Session } | undefined {
    for (const lane of this.lanes()) {
      for (const session of lane.sessions()) if (session.streamId === streamId) return { lane, session };
    }
    return undefined;
  }

  /** The lane that a session is one of. */
  laneOf(session: Session): Lane<T> {
    for (const lane of this.lanes()) for (const one of lane.sessions()) if (one === session) return lane;
    return this.of('main');
  }

  /** Notes since the last call, with the group whose stream they are about; see {@link Lane.takeNotes}. */
  *takeNotes(): Generator<{ readonly group: StreamGroup; readonly note: SessionNote; readonly isTrial: boolean }> {
    for (const lane of this.lanes()) for (const one of lane.takeNotes()) yield { group: lane.group, ...one };
  }

  /** They carry another node from now on. */
  introduce(node: Buffer): void {
    this.node = node;
    for (const lane of this.lanes()) lane.introduce(node);
  }

  /** A client has said something of itself: it is told upstream on the main stream, and again on each new one until the client leaves. */
  report(report: ClientReport & { readonly streamId: number }): void {
    this.#reports.set(report.typeUrl, report);
  }

  /** A client left: nobody stands by what it said. */
  withdraw(streamId: number): void {
    for (const one of this.#reports.values()) if (one.streamId === streamId) this.#reports.delete(one.typeUrl);
  }

  /** Upstream is asked for something and cannot be reached: what is given up now cannot be had again. */
  get isCutOff(): boolean {
    for (const { active } of this.lanes()) if (!active.isOpen && active.phase !== 'idle') return true;
    return false;
  }

  nextDeadlineMs(): number {
    let deadline = Infinity;
    for (const lane of this.lanes()) deadline = Math.min(deadline, lane.nextDeadlineMs());
    return deadline;
  }

  #make(group: StreamGroup, settings: LaneSettings): Lane<T> {
    const reports = group === 'main' ? this.#reports : noReports;
    const lane = new Lane(group, settings, () => this.node, this.#newStreamId, this.#random, reports, this.#newSet);
    this.#lanes.set(group, lane);
    return lane;
  }
}
