import type { DiskNote } from '../cache/disk-notes.ts';
import type { RefusedPeer } from '../local-ads/server.ts';
import type { TlsNote } from '../net/tls-files.ts';
import type { CredentialNote } from '../upstream/credentials.ts';
import type { ViewKey } from '../xds/types.ts';
import { Counters } from './counters.ts';
import { describeCredential } from './credential-notes.ts';
import type { Note } from './events.ts';
import { Journal, type Occurrence } from './journal.ts';
import { Latencies } from './latencies.ts';
import { LineChoice } from './line-choice.ts';
import { LineLimit } from './line-limit.ts';
import type { Logger } from './log.ts';
import { LogLevelSwitch } from './log-level.ts';
import { readClock } from './loop.ts';
import type { LogLine } from './notes.ts';
import { lineOccurrence } from './occurrences.ts';
import { Refusals } from './refusals.ts';
import type { SeedNote } from './seed.ts';
import { describeDisk, describeSeed } from './storage-notes.ts';
import type { Telling } from './telling.ts';
import { describeTls } from './tls-notes.ts';

/** How often it is looked whether something was counted that has to be told, in ms. */
const lookEveryMs = 10_000;

/** Makes of what happens log lines, events and metrics. */
export class Observer {
  readonly counters = new Counters();
  readonly latencies = new Latencies();
  readonly journal = new Journal();
  readonly refusals = new Refusals();
  readonly logLevel: LogLevelSwitch;
  readonly #log: Logger;
  readonly #choice = new LineChoice();
  readonly #lines = new LineLimit();
  readonly #timer: NodeJS.Timeout;

  constructor(log: Logger) {
    this.#log = log;
    this.logLevel = new LogLevelSwitch(log, message => {
      const line = { level: 'info', message, fields: {} } as const;
      this.#add(lineOccurrence('agent', line, Date.now()));
      this.#write(line);
    });
    this.#timer = setInterval(() => {
      this.#tell(this.#choice.due(readClock()));
      for (const line of this.#lines.takeLeftOut()) this.#write(line);
    }, lookEveryMs).unref();
  }

  /** What the core tells. */
  readonly note = (note: Note, viewKey?: ViewKey): void => {
    this.counters.observe(note);
    this.refusals.observe(note, Date.now());
    if (note.kind === 'client_sent') {
      // Read after the message was handed on: that is part of its way.
      if (note.newsAtMs !== undefined) this.latencies.propagated(note.typeUrl, performance.now() - note.newsAtMs);
      return;
    }
    if (note.kind === 'upstream_answered') this.latencies.decided(note.typeUrl, note.waitedMs);
    this.#tell(this.#choice.take(note, viewKey, readClock()));
  };

  /** A client's stream ended before the core heard of it. */
  readonly refused = (refusal: RefusedPeer): void => {
    this.note({ kind: 'client_refused', streamId: undefined, nodeId: '', ...refusal });
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

  /** Tells what was counted only. */
  close(): void {
    clearInterval(this.#timer);
    this.logLevel.close();
    this.#tell(this.#choice.rest(readClock()));
    for (const line of this.#lines.takeLeftOut()) this.#write(line);
  }

  #tell(tellings: Iterable<Telling>): void {
    for (const { kind, line, occurrence } of tellings) {
      this.#add(occurrence);
      const passed = line && this.#lines.pass(kind, line, performance.now());
      if (passed) this.#write(passed);
    }
  }

  #add(occurrence: Occurrence | undefined): void {
    if (occurrence) this.journal.add(occurrence);
  }

  #write({ level, fields, message }: LogLine): void {
    this.#log[level](fields, message);
  }
}
