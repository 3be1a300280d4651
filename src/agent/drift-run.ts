import type { Random } from '../upstream/backoff.ts';
import type { ChannelEvent } from '../upstream/channel.ts';
import { nothingHeld } from '../upstream/interest.ts';
import { Session } from '../upstream/session.ts';
import type { UpstreamEffect } from '../upstream/session-events.ts';
import type { SessionSettings } from '../upstream/session-state.ts';
import type { Clock, TypeUrl } from '../xds/types.ts';
import type { Authorities } from './authorities.ts';
import { type Difference, DriftPart, type Suspicion } from './drift-part.ts';
import type { Lane } from './lane.ts';
import type { View } from './view.ts';

/** Longest time until everything is fetched, in ms. */
const fetchMsMax = 60_000;
/** A type of which nothing at all comes is waited for so much longer than the resource timer, in ms. */
const silentSlackMs = 5_000;
/** What differs must differ for so long, in ms: a change comes on two streams at two moments. */
const settleMs = 5_000;

/** What came of one type. */
export interface DriftedType {
  readonly typeUrl: TypeUrl;
  /** Resources that upstream has. */
  readonly fetched: number;
  readonly differences: ReadonlyMap<string, Difference>;
  /** Upstream has not answered for it in time, so nothing is said of it. */
  readonly isOpen: boolean;
}

/** What came of the check of one stream. */
export type DriftOutcome =
  | { readonly kind: 'checked'; readonly types: readonly DriftedType[] }
  | { readonly kind: 'failed'; readonly reason: string };

/** What a run is made with. */
export interface DriftDesk {
  readonly settings: SessionSettings & { readonly authorities: Authorities };
  readonly newStreamId: () => number;
  readonly random: Random;
}

/**
 * One drift check: fetches everything that one upstream stream feeds once more, on a second stream to the same server, and compares it with what is
 * held (xds-relay#167). Bodies are compared as they come and not kept.
 */
export class DriftRun {
  readonly view: View;
  readonly #lane: Lane;
  readonly #session: Session;
  readonly #parts = new Map<TypeUrl, DriftPart>();
  readonly #beganAtMs: number;
  readonly #silentMsMax: number;
  /** What differed when everything was there, and until when it has time to agree. */
  #suspects:
    | { readonly byType: ReadonlyMap<TypeUrl, ReadonlyMap<string, Suspicion>>; readonly untilMs: number }
    | undefined;
  #outcome: DriftOutcome | undefined;
  #nextMs = Infinity;

  constructor(view: View, lane: Lane, { settings, newStreamId, random }: DriftDesk, nowMs: number) {
    this.view = view;
    this.#lane = lane;
    this.#beganAtMs = nowMs;
    this.#silentMsMax = Math.min(settings.absentTimeoutMs + silentSlackMs, fetchMsMax);
    const { address, variant } = lane.active.status;
    const own = { ...settings, variant, isResuming: false, recycleMs: 0 };
    this.#session = new Session(lane.group, address, own, view.node, newStreamId, random, new Map());
    for (const typeUrl of lane.typeUrls()) {
      const type = view.types.get(typeUrl);
      const interest = lane.interestOf(typeUrl);
      if (!type || !interest) continue;
      // A wildcard of the main stream asks for no name of a listed authority.
      const group = type.feeds.find(feed => feed.lane === lane)?.group;
      const part = new DriftPart(type, interest, name => settings.authorities.groupOf(name) === group);
      this.#parts.set(typeUrl, part);
      this.#session.types.add(typeUrl, part.interest, nothingHeld);
    }
  }

  get group(): string {
    return this.#lane.group;
  }

  get address(): string {
    return this.#session.address;
  }

  get streamId(): number | undefined {
    return this.#session.streamId;
  }

  /** What came of it; undefined while it runs. */
  get outcome(): DriftOutcome | undefined {
    return this.#outcome;
  }

  /** Takes in what happened on the second stream. */
  take(event: ChannelEvent, { monotonicMs: nowMs, wallMs }: Clock): readonly UpstreamEffect[] {
    const { streamId } = event;
    switch (event.kind) {
      case 'upstream_opened':
        this.#session.opened(streamId, nowMs, wallMs);
        return [];
      case 'upstream_writable':
        this.#session.writable(streamId, nowMs);
        return [];
      case 'upstream_response':
        return this.#received(streamId, event.bytes, nowMs, wallMs);
      case 'upstream_alive':
        this.#session.alive(streamId, nowMs);
        return [];
      case 'upstream_leaving':
        return [];
      case 'upstream_closed':
        this.#session.closed(streamId, event, nowMs, wallMs);
        this.#fail(`the stream for it ended: ${event.message || 'no reason given'}`);
        return [];
    }
  }

  /** Brings it on; to be called after every event. */
  advance({ monotonicMs: nowMs, wallMs }: Clock): readonly UpstreamEffect[] {
    if (this.#outcome) return [];
    for (const [typeUrl, { timedOut }] of this.#session.due(nowMs, () => false)) {
      if (timedOut.length > 0) this.#parts.get(typeUrl)?.timedOut(timedOut);
    }
    this.#judge(nowMs);
    // What is said of it is said at its end.
    const effects = this.#outcome ? this.#session.stop(nowMs, wallMs) : this.#session.advance(nowMs, wallMs);
    this.#session.takeNotes();
    return effects;
  }

  /** Ends it before its time. */
  stop(reason: string, { monotonicMs: nowMs, wallMs }: Clock): readonly UpstreamEffect[] {
    this.#fail(reason);
    return this.#session.stop(nowMs, wallMs);
  }

  nextDeadlineMs(): number {
    if (this.#outcome) return Infinity;
    if (this.#suspects) return Math.min(this.#suspects.untilMs, this.#session.nextDeadlineMs());
    return Math.min(this.#nextMs, this.#session.nextDeadlineMs());
  }

  #received(streamId: number, bytes: Buffer, nowMs: number, wallMs: number): readonly UpstreamEffect[] {
    const { received, effects } = this.#session.received(streamId, bytes, nowMs, wallMs);
    if (received.kind === 'broken' || received.kind === 'refused') {
      this.#fail(`a response for it was refused: ${received.error}`);
      return effects;
    }
    if (received.kind !== 'accepted') return effects;
    const { response, isWhole, removed } = received;
    this.#parts.get(response.typeUrl)?.take(response, isWhole, removed);
    // It is compared, not used: no client has a say in it.
    this.#session.types.answer(response.typeUrl, response.nonce, undefined, false, nowMs);
    return effects;
  }

  #judge(nowMs: number): void {
    if (this.#lane.active.address !== this.address) return this.#fail('another control plane is in use now');
    // Without it nothing that changes meanwhile would come.
    if (!this.#lane.active.isOpen) return this.#fail('the stream in use ended meanwhile');
    if (this.#suspects) {
      if (nowMs >= this.#suspects.untilMs) this.#outcome = { kind: 'checked', types: this.#types(nowMs) };
      return;
    }
    this.#nextMs = this.#waitsUntilMs(nowMs);
    if (nowMs < this.#nextMs) return;
    const byType = new Map([...this.#parts].map(([typeUrl, part]) => [typeUrl, part.differences()]));
    const isAny = [...byType.values()].some(differences => differences.size > 0);
    this.#suspects = { byType, untilMs: nowMs + settleMs };
    if (!isAny) this.#outcome = { kind: 'checked', types: this.#types(nowMs) };
  }

  /** Until when what is not there yet is waited for. A type of which nothing at all comes, as one that there is none of, is given up sooner. */
  #waitsUntilMs(nowMs: number): number {
    let untilMs = nowMs;
    for (const part of this.#parts.values()) {
      if (this.#isComparable(part, nowMs)) continue;
      const waitMs = part.isHeard(this.#session) ? fetchMsMax : this.#silentMsMax;
      untilMs = Math.max(untilMs, this.#beganAtMs + waitMs);
    }
    return untilMs;
  }

  /** Both what is held and what was fetched is all that there is. */
  #isComparable(part: DriftPart, nowMs: number): boolean {
    const { typeUrl } = part.type;
    const { active } = this.#lane;
    // Of what nobody wants any more nothing can be missing.
    if (!active.types.isWanted(typeUrl)) return true;
    return part.isWhole(this.#session, nowMs) && active.confirmedAtMs(typeUrl) <= nowMs;
  }

  /** What has differed from the first look to this one. */
  #types(nowMs: number): DriftedType[] {
    return [...this.#parts].map(([typeUrl, part]) => {
      const isOpen = !this.#isComparable(part, nowMs);
      const before = this.#suspects?.byType.get(typeUrl);
      const differences = new Map<string, Difference>();
      for (const [name, one] of isOpen ? [] : part.differences()) {
        const first = before?.get(name);
        // Where either side has moved since, both will get there.
        if (first?.kind === one.kind && first.held === one.held && first.fetched === one.fetched) {
          differences.set(name, one.kind);
        }
      }
      return { typeUrl, fetched: part.fetched, differences, isOpen: isOpen || part.isAnyOpen };
    });
  }

  #fail(reason: string): void {
    this.#outcome ??= { kind: 'failed', reason };
  }
}
