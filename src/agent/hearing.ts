import type { Entry } from '../cache/entry.ts';
import type { Verdict } from '../local-ads/nonce-book.ts';
import { SetDigest } from '../xds/digest.ts';
import { type Clock, grpcCode, type RpcStatus } from '../xds/types.ts';
import type { AckMode } from './ack-ledger.ts';
import type { Client } from './client.ts';
import type { ClientTable } from './client-table.ts';
import type { Note } from './events.ts';
import type { Change } from './intake.ts';
import { type TypeView, touchDisk, verdictKey } from './type-view.ts';
import type { View } from './view.ts';

/** Whose word counts, and how long it is waited for. */
export interface HearingSettings {
  /** When the control plane is answered: after the clients, or on receipt (R98, R99). */
  readonly ack: AckMode;
  /** Longest wait for the clients' answers, in ms (R98). */
  readonly ackWaitMs: number;
}

/** Clients' words kept with a refused content, in characters. */
const wordsMax = 1024;

/**
 * Hears the clients on what upstream sent: their words become the answer upstream (R98, R101), and what all of them reject goes into
 * quarantine (R102).
 */
export class Hearing {
  readonly #settings: HearingSettings;
  readonly #clients: ClientTable;
  readonly #note: (note: Note) => void;

  constructor(settings: HearingSettings, clients: ClientTable, note: (note: Note) => void) {
    this.#settings = settings;
    this.#clients = clients;
    this.#note = note;
  }

  /**
   * A client answered a message.
   *
   * @returns whether a refused content is served again, so that clients have to be told
   */
  heard(client: Client, view: View, type: TypeView, verdict: Verdict, clock: Clock): boolean {
    const { streamId } = client;
    const nodeId = client.identity?.id ?? '';
    const { status } = verdict;
    let isContentBack = false;
    if (status) {
      const { typeUrl, store } = type;
      const content = contentOf(store, verdict.suspects.names);
      this.#note({
        kind: 'client_nack',
        streamId,
        nodeId,
        typeUrl,
        message: status.message,
        content,
        names: verdict.suspects.names,
      });
      // The final list, without what goes, gets the word that counts. An ACK counts at once: the control plane may be waiting for it with the
      // routes that have to come before the removal (R86).
      if (verdict.isProvisional) {
        for (const { ledger } of type.feeds) ledger.objected(streamId, nodeId, verdict);
        return false;
      }
      // Where one client does not speak for all, its late word does not either.
      const isHeeded = this.#settings.ack === 'clients' || this.#settings.ack === 'receipt';
      const words = { ...status, message: `node ${nodeId}: ${status.message}` };
      for (const { ledger, session } of isHeeded ? type.feeds : []) {
        const late = ledger.lateTarget(streamId, verdict);
        if (late !== undefined && session.types.refuseLate(type.typeUrl, late, words))
          ledger.refusedLate(streamId, words);
      }
      this.#accuse(client, view, type, verdict, status, clock);
    } else isContentBack = this.#accept(client, type, verdict);
    type.trials.heard(streamId);
    for (const { ledger } of type.feeds) ledger.vote(streamId, nodeId, verdict);
    this.settle(view, type, clock);
    return isContentBack;
  }

  /** A client left: nobody waits for its word. */
  left(streamId: number, view: View, type: TypeView, clock: Clock): void {
    type.trials.heard(streamId);
    for (const { ledger } of type.feeds) ledger.left(streamId);
    this.settle(view, type, clock);
  }

  /** A response was taken in: its verdict waits for the clients concerned, or is clear at once. */
  opened(view: View, { type, feed, nonce, fromRevision, names: held }: Change, clock: Clock): void {
    const { store, typeUrl } = type;
    const { ledger } = feed;
    const now = clock.monotonicMs;
    const standing = standingRefusal(type, held);
    if (store.revision === fromRevision) {
      // Nothing new: what was refused is refused again, later each time (R130); all else is acknowledged as it comes.
      const refusal = ledger.refusalAt(store.revision, held) ?? standing;
      view.answer(type, feed, nonce, refusal, refusal !== undefined, now);
      type.disk?.decided(verdictKey(feed, nonce));
      return;
    }
    const names = store.changesSince(fromRevision);
    ledger.open({
      nonce,
      fromRevision,
      toRevision: store.revision,
      names: new Set(names),
      concerned: new Set(this.#clients.affected(view, typeUrl, names)),
      heardAtMs: now,
      deadlineMs: now + this.#settings.ackWaitMs,
      standing,
    });
    this.settle(view, type, clock);
  }

  /** Answers upstream what is decided, and quarantines what everybody has rejected. */
  settle(view: View, type: TypeView, clock: Clock): void {
    for (const { suspects, refusal } of type.trials.take(clock.monotonicMs)) {
      const names = suspects.filter(entry => type.store.standing.refuse(entry, refusal)).map(entry => entry.name);
      if (names.length === 0) continue;
      touchDisk(type, names);
      this.#note({ kind: 'quarantined', typeUrl: type.typeUrl, names, isNamed: refusal.isNamed, words: refusal.words });
    }
    for (const feed of type.feeds) {
      for (const { nonce, status, heardAtMs } of feed.ledger.take(clock.monotonicMs)) {
        view.answer(type, feed, nonce, status, false, clock.monotonicMs, heardAtMs);
        type.disk?.decided(verdictKey(feed, nonce));
      }
    }
  }

  #accept({ stream }: Client, type: TypeView, verdict: Verdict): boolean {
    const { store, typeUrl } = type;
    const told = stream.type(typeUrl);
    const { revision } = store;
    const { toRevision, epoch } = verdict;
    // A whole list is accepted with all that is in it, also what came before.
    const fromRevision = told?.isList ? -1 : verdict.fromRevision;
    const accepted = store.standing.accept(fromRevision, toRevision, epoch, name => told?.covers(name) ?? false);
    touchDisk(type, accepted);
    return store.revision !== revision;
  }

  /** Puts what a client rejected on trial: the names it was told of, narrowed to those that its words name. */
  #accuse(client: Client, view: View, type: TypeView, verdict: Verdict, status: RpcStatus, clock: Clock): void {
    const { store, typeUrl } = type;
    const { names, areNamed: isNamed } = verdict.suspects;
    const suspects: Entry[] = [];
    for (const name of names) {
      const entry = store.get(name);
      if (entry && !entry.isAccepted && entry.revision <= verdict.toRevision) suspects.push(entry);
    }
    const words = `node ${client.identity?.id ?? ''}: ${status.message.slice(0, wordsMax)}`;
    const refusal = { words, isNamed, sinceWallMs: clock.wallMs };
    const waiting = this.#clients.undecided(view, typeUrl).filter(streamId => streamId !== client.streamId);
    type.trials.open(suspects, refusal, waiting, clock.monotonicMs + this.#settings.ackWaitMs);
  }
}

/** Digest of what is held under these names. */
function contentOf(store: TypeView['store'], names: Iterable<string>): string {
  const digest = new SetDigest();
  for (const name of names) {
    const entry = store.quarantined.get(name)?.entry ?? store.get(name);
    if (entry) digest.add(name, entry.digest);
  }
  return digest.toString();
}

/** What upstream is told of a response with contents that are in quarantine, whatever the clients say of the rest of it. */
function standingRefusal({ store }: TypeView, names: readonly string[]): RpcStatus | undefined {
  if (store.quarantined.size === 0) return undefined;
  for (const name of names) {
    const refused = store.quarantined.get(name);
    if (refused) return { code: grpcCode.invalidArgument, message: refused.refusal.words };
  }
  return undefined;
}
