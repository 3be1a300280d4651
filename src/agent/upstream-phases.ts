import { countOf } from '../admin/words.ts';
import { standingAfterMs } from '../upstream/stream-history.ts';
import type { Clock, ViewKey } from '../xds/types.ts';
import type { Note } from './events.ts';
import type { LogLine } from './notes.ts';
import { occurrenceOf } from './occurrences.ts';
import { spanWords } from './span-words.ts';
import { repeatEveryMs, type Telling } from './telling.ts';

/** Different reasons of one outage that are told at once; those after them wait for the next repetition. */
const reasonsMax = 8;
/** Ends of outages of one server that are told in a row, and how soon there is room for one more, in ms: a stream that comes and goes is one outage. */
const endsMax = 3;
const endEveryMs = 60_000;
/** Streams that are remembered to be away, and servers with a stream group that were dialled. */
const outagesMax = 4_096;
const begunMax = 1_024;
/** A stream that was not tried for so long, in ms, speaks for no other one. */
const silentMs = 120_000;

type UpstreamNote = Note & { readonly kind: 'upstream' };
type Lost = UpstreamNote['note'] & { readonly kind: 'stream_lost' };

/** A stream that is not there, or that does not stand yet. */
interface Outage {
  readonly viewKey: ViewKey | undefined;
  readonly address: string;
  readonly sinceMs: number;
  /** What it was lost with at first. */
  readonly first: Telling;
  toldAtMs: number;
  /** When it was lost last. */
  lostAtMs: number;
  /** Why it was lost the last time, without what differs from attempt to attempt. */
  reason: string;
  /** Reasons that were told. */
  readonly reasons: Set<string>;
  attempts: number;
  attemptsTold: number;
  /** How often it was lost after it had come back, since the outage began. */
  relapses: number;
  /** When the present stream was opened; undefined without one. */
  openedAtMs: number | undefined;
  /** The present stream was answered, or has stood long enough. */
  isBack: boolean;
  /** Somebody was told of it. */
  isTold: boolean;
}

/**
 * Tells how the streams to the control planes come and go: one line when one is lost, one when it is back, and once a minute between them. Of streams that are lost to
 * one server for one reason one speaks for all.
 */
export class UpstreamPhases {
  readonly #outages = new Map<string, Outage>();
  /** Streams that speak for all of the same server and reason. */
  readonly #speakers = new Map<string, string>();
  /** Server and stream group that were dialled, and that were reached. */
  readonly #begun = new Set<string>();
  /** Room for ends that are told, by server. */
  readonly #ends = new Map<string, { room: number; atMs: number }>();

  /** @param line what the note says of itself */
  take(note: UpstreamNote, line: LogLine, viewKey: ViewKey | undefined, clock: Clock): Telling[] {
    const { note: what, isTrial, group } = note;
    const plain = telling(note, line, viewKey, clock);
    if (isTrial) return [plain];
    const quiet = telling(note, { ...line, level: 'debug' }, viewKey, clock);
    if (what.kind === 'server_changed') {
      this.#forget(keyOf(viewKey, group, what.from));
      this.#forget(keyOf(viewKey, group, what.to));
      return [plain];
    }
    if (what.kind === 'stream_lost') return [this.#lost(note, what, plain, viewKey, clock) ?? quiet];
    if (!('address' in what) || what.kind === 'server_passed_over') return [plain];
    const key = keyOf(viewKey, group, what.address);
    const outage = this.#outages.get(key);
    if (outage && what.kind === 'stream_opening') {
      outage.openedAtMs = undefined;
      outage.attempts++;
    } else if (outage && what.kind === 'stream_opened') outage.openedAtMs = clock.monotonicMs;
    else if (outage && what.kind === 'stream_answered') {
      outage.isBack = true;
      const end = this.#end(key, outage, clock);
      return end ? [quiet, end] : [quiet];
    }
    const isFirst = !outage && this.#begin(`${what.kind} ${what.address} ${group}`);
    return [isFirst ? plain : quiet];
  }

  /** What time has made certain: streams that stand without an answer, ends that had to wait. To be asked from time to time. */
  *due(clock: Clock): Generator<Telling> {
    for (const [key, outage] of this.#outages) {
      const { openedAtMs } = outage;
      if (openedAtMs === undefined) continue;
      outage.isBack ||= clock.monotonicMs >= openedAtMs + standingAfterMs;
      const end = outage.isBack && this.#end(key, outage, clock);
      if (end) yield end;
    }
  }

  /** Nobody uses a node any more. */
  viewGone(viewKey: ViewKey): void {
    for (const [key, outage] of this.#outages) if (outage.viewKey === viewKey) this.#forget(key);
  }

  /** A stream was lost, or cannot be had. @returns undefined where it is no news */
  #lost(
    note: UpstreamNote,
    what: Lost,
    plain: Telling,
    viewKey: ViewKey | undefined,
    clock: Clock,
  ): Telling | undefined {
    const { monotonicMs: nowMs } = clock;
    const reason = `${what.code} ${what.message.replace(/\d+/g, '#')}`;
    const key = keyOf(viewKey, note.group, what.address);
    let outage = this.#outages.get(key);
    const isNew = outage === undefined;
    outage ??= {
      viewKey,
      address: what.address,
      sinceMs: nowMs,
      first: plain,
      toldAtMs: -Infinity,
      lostAtMs: nowMs,
      reason,
      reasons: new Set(),
      // The attempt that has failed; after a stream that stood there was none.
      attempts: what.wasOpen ? 0 : 1,
      attemptsTold: 0,
      relapses: 0,
      openedAtMs: undefined,
      isBack: false,
      isTold: false,
    };
    this.#outages.set(key, outage);
    const [oldest] = this.#outages.keys();
    if (oldest !== undefined && this.#outages.size > outagesMax) this.#forget(oldest);
    outage.lostAtMs = nowMs;
    if (outage.isBack) outage.relapses++;
    outage.isBack = false;
    outage.openedAtMs = undefined;
    this.#resign(key, outage);
    outage.reason = reason;
    const speaker = this.#outages.get(this.#speakers.get(speechOf(outage)) ?? '');
    if (speaker && nowMs < speaker.lostAtMs + silentMs) return undefined;
    this.#speakers.set(speechOf(outage), key);
    const isNews = !outage.reasons.has(reason) && outage.reasons.size < reasonsMax;
    if (!isNews && nowMs < outage.toldAtMs + repeatEveryMs) return undefined;
    outage.reasons.add(reason);
    outage.toldAtMs = nowMs;
    outage.isTold = true;
    if (isNew) return plain;
    return this.#still(outage, plain, what.wasOpen, clock);
  }

  #still(outage: Outage, { kind, line, occurrence }: Telling, wasOpen: boolean, { monotonicMs }: Clock): Telling {
    const { sinceMs, attempts, relapses, address } = outage;
    const span = spanWords(monotonicMs - sinceMs);
    const state =
      relapses > 0 && wasOpen
        ? `the stream to the control plane does not last: lost ${relapses + 1} times in ${span}`
        : `still no stream to the control plane after ${span} and ${countOf(attempts, 'attempt')}`;
    // What it says of itself is the state, a colon, and the reason.
    const cause = line?.message.replace(/^[^:]*: /, '') ?? '';
    const streams = [...this.#outages.values()].filter(one => one.address === address).length;
    const times = Math.max(1, attempts - outage.attemptsTold);
    outage.attemptsTold = attempts;
    return {
      kind,
      line: line && {
        level: 'warn',
        message: `${state}: ${cause}`,
        fields: {
          ...line.fields,
          forSeconds: seconds(monotonicMs - sinceMs),
          attempts,
          ...(streams > 1 && { streams }),
        },
      },
      occurrence: occurrence && { ...occurrence, times },
    };
  }

  /** A stream is back. @returns undefined where nobody knew that it was away, or where it has come and gone too often lately */
  #end(key: string, outage: Outage, clock: Clock): Telling | undefined {
    const { monotonicMs: nowMs } = clock;
    if (outage.isTold && !this.#hasRoom(outage.address, nowMs)) return undefined;
    this.#forget(key);
    if (!outage.isTold) return undefined;
    const { sinceMs, attempts, first, relapses, address } = outage;
    const awayMs = (outage.openedAtMs ?? nowMs) - sinceMs;
    const lost = relapses > 0 ? `; it was lost ${relapses + 1} times meanwhile` : '';
    const message = `connected to the control plane again after ${spanWords(awayMs)}, in attempt ${Math.max(1, attempts)}${lost}`;
    const { retryInMs: _, code: _code, ...fields } = first.line?.fields ?? {};
    return {
      kind: first.kind,
      line: { level: 'info', message, fields: { ...fields, address, awaySeconds: seconds(awayMs), attempts } },
      occurrence: first.occurrence && { ...first.occurrence, level: 'info', message, wallMs: clock.wallMs },
    };
  }

  #hasRoom(address: string, nowMs: number): boolean {
    const ends = this.#ends.get(address) ?? { room: endsMax, atMs: nowMs };
    this.#ends.set(address, ends);
    ends.room = Math.min(endsMax, ends.room + (nowMs - ends.atMs) / endEveryMs);
    ends.atMs = nowMs;
    if (ends.room < 1) return false;
    ends.room--;
    return true;
  }

  #begin(key: string): boolean {
    if (this.#begun.has(key) || this.#begun.size >= begunMax) return false;
    this.#begun.add(key);
    return true;
  }

  #forget(key: string): void {
    const outage = this.#outages.get(key);
    if (!outage) return;
    this.#outages.delete(key);
    this.#resign(key, outage);
  }

  #resign(key: string, outage: Outage): void {
    if (this.#speakers.get(speechOf(outage)) === key) this.#speakers.delete(speechOf(outage));
  }
}

function keyOf(viewKey: ViewKey | undefined, group: string, address: string): string {
  return JSON.stringify([viewKey, group, address]);
}

function speechOf({ address, reason }: Outage): string {
  return `${address} ${reason}`;
}

function telling(note: UpstreamNote, line: LogLine, viewKey: ViewKey | undefined, { wallMs }: Clock): Telling {
  return { kind: note.kind, line, occurrence: occurrenceOf(note, line, viewKey, wallMs) };
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
