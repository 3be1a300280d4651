import { digestOf } from '../xds/digest.ts';
import type { Clock, ViewKey } from '../xds/types.ts';
import type { Note } from './events.ts';
import { describe } from './notes.ts';
import { occurrenceOf } from './occurrences.ts';
import { Repetitions } from './repetitions.ts';
import type { Telling } from './telling.ts';
import { UpstreamPhases } from './upstream-phases.ts';

/** Decides what is told of what the core notes, to the log and as events alike: one line for each change, and a count for what repeats itself. */
export class LineChoice {
  readonly #phases = new UpstreamPhases();
  readonly #repetitions = new Repetitions();

  /** @returns what is to be told now, in this order */
  take(note: Note, viewKey: ViewKey | undefined, clock: Clock): Telling[] {
    const line = describe(note);
    if (note.kind === 'view_idle') this.#phases.viewGone(note.viewKey);
    else if (note.kind === 'view_opened' && note.replaces !== undefined) this.#phases.viewGone(note.replaces);
    if (note.kind === 'upstream' && line) return this.#phases.take(note, line, viewKey, clock);
    const telling = { kind: note.kind, line, occurrence: occurrenceOf(note, line, viewKey, clock.wallMs) };
    const same = sameOf(note);
    if (!same || !line || line.level === 'debug') return [telling];
    // Clients of several nodes may reject the same: that is one piece of news.
    const place = note.kind === 'client_nack' ? undefined : viewKey;
    const key = digestOf(JSON.stringify([note.kind, place, ...same]));
    return this.#repetitions.take(key, telling, clock, note.kind === 'client_nack' ? note.nodeId : undefined);
  }

  /** What time has made worth telling; to be asked from time to time. */
  *due(clock: Clock): Generator<Telling> {
    yield* this.#phases.due(clock);
    yield* this.#repetitions.due(clock);
  }

  /** What was counted and not told yet, before the end. */
  rest(clock: Clock): Iterable<Telling> {
    return this.#repetitions.rest(clock);
  }
}

/** What two notes of a kind have in common that tell the same; undefined where none repeats another one. */
function sameOf(note: Note): readonly unknown[] | undefined {
  switch (note.kind) {
    case 'client_refused':
      return [note.nodeId, note.listener, note.code, note.reason];
    case 'client_nack':
      return [note.typeUrl, note.message, note.content];
    case 'scope_denied':
      return [note.what, note.typeUrl, note.client?.nodeId, note.names];
    case 'response_refused':
    case 'type_isolated':
      return [note.typeUrl, note.reason];
    case 'response_broken':
      return [note.group, note.reason];
    case 'response_unasked':
      return [note.typeUrl];
    case 'upstream_answered':
      return [note.typeUrl, note.reason];
    default:
      return undefined;
  }
}
