import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { end, track } from '../child.ts';
import { Inbox, type Message } from '../inbox.ts';

/** A process that takes and gives one JSON object a line, whatever it is written in. */
export class LineChild<Command extends Message, Report extends Message> {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #inbox: Inbox<Report>;

  /** @param label what errors call it */
  constructor(label: string, program: string, args: readonly string[]) {
    this.#inbox = new Inbox(label);
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process = child;
    this.pid = child.pid ?? 0;
    track(child, this.#inbox);
    // A process that has ended cannot be told anything; whoever waits for its next report hears of it.
    child.stdin.on('error', () => {});
    // Only our own programs are at the other end; they share the type of their reports with this side.
    createInterface({ input: child.stdout }).on('line', line => this.#inbox.put(JSON.parse(line) as Report));
  }

  send(command: Command): void {
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Waits for the next report of a kind, as {@link Inbox.next} does. */
  report<Kind extends Report['kind']>(kind: Kind, passesOver = false): Promise<Extract<Report, { kind: Kind }>> {
    return this.#inbox.next(kind, passesOver);
  }

  /** Ends it and resolves when it has ended. */
  async kill(): Promise<void> {
    await end(this.#process);
  }
}

/** The child's side: takes commands, and ends with the bench. */
export function onLine<Command extends Message>(take: (command: Command) => void): void {
  createInterface({ input: process.stdin })
    .on('line', line => take(JSON.parse(line) as Command))
    .on('close', () => process.exit(0));
}

/** The child's side: sends a report. */
export function sayLine<Report extends Message>(report: Report): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
