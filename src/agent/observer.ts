import type { DiskNote } from '../cache/disk-notes.ts';
import type { TlsNote } from '../net/tls-files.ts';
import type { CredentialNote } from '../upstream/credentials.ts';
import type { ViewKey } from '../xds/types.ts';
import { Counters } from './counters.ts';
import { describeCredential } from './credential-notes.ts';
import type { Note } from './events.ts';
import { Journal, type Occurrence } from './journal.ts';
import { Latencies } from './latencies.ts';
import { LineLimit } from './line-limit.ts';
import type { Logger } from './log.ts';
import { describe, type LogLine } from './notes.ts';
import { lineOccurrence, occurrenceOf } from './occurrences.ts';
import type { SeedNote } from './seed.ts';
import { describeDisk, describeSeed } from './storage-notes.ts';
import { describeTls } from './tls-notes.ts';

/** How often it is told how many log lines were left out, in ms. */
const leftOutEveryMs = 10_000;

/** Makes of what happens log lines, events and metrics. */
export class Observer {
  readonly counters = new Counters();
  readonly latencies = new Latencies();
  readonly journal = new Journal();
  readonly #log: Logger;
  readonly #lines = new LineLimit();
  readonly #timer: NodeJS.Timeout;

  constructor(log: Logger) {
    this.#log = log;
    this.#timer = setInterval(() => {
      for (const line of this.#lines.takeLeftOut()) this.#write(line);
    }, leftOutEveryMs).unref();
  }

  /** What the core tells. */
  readonly note = (note: Note, viewKey?: ViewKey): void => {
    this.counters.observe(note);
    if (note.kind === 'client_sent') {
      // Read after the message was handed on: that is part of its way.
      if (note.newsAtMs !== undefined) this.latencies.propagated(note.typeUrl, performance.now() - note.newsAtMs);
      return;
    }
    if (note.kind === 'upstream_answered') this.latencies.decided(note.typeUrl, note.waitedMs);
    const described = describe(note);
    this.#add(occurrenceOf(note, described, viewKey, Date.now()));
    const line = described && this.#lines.pass(note.kind, described, performance.now());
    if (line) this.#write(line);
  };

  readonly disk = (note: DiskNote): void => {
    this.counters.observeDisk(note);
    const line = describeDisk(note);
    this.#add(lineOccurrence('disk', line, Date.now()));
    this.#write(line);
  };

  /** So many changes went to disk in so many ms: counted, and too often to be told. */
  readonly diskWritten = (changes: number, ms: number): void => {
    this.counters.wroteDisk(changes);
    this.latencies.wrote(ms);
  };

  readonly seed = (note: SeedNote): void => {
    const line = describeSeed(note);
    this.#add(lineOccurrence('restore', line, Date.now()));
    this.#write(line);
  };

  readonly credential = (note: CredentialNote): void => {
    const line = describeCredential(note);
    this.#add(lineOccurrence('credential', line, Date.now()));
    this.#write(line);
  };

  readonly tls = (note: TlsNote): void => {
    const line = describeTls(note);
    this.#add(lineOccurrence('credential', line, Date.now()));
    this.#write(line);
  };

  /** Log lines left out so far. */
  get linesLeftOut(): number {
    return this.#lines.leftOutTotal;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #add(occurrence: Occurrence | undefined): void {
    if (occurrence) this.journal.add(occurrence);
  }

  #write({ level, fields, message }: LogLine): void {
    this.#log[level](fields, message);
  }
}
