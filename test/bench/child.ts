import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Inbox, type Message } from './inbox.ts';

const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** Lets a process end with the bench, and its inbox hear what it says on stderr and when it is over. */
export function track(child: ChildProcess, inbox: Inbox<Message>): void {
  living.add(child);
  child.stderr?.setEncoding('utf8').on('data', (text: string) => inbox.heard(text));
  const over = (why: string) => () => {
    living.delete(child);
    inbox.close(why);
  };
  child.once('error', over('could not be started'));
  child.once('exit', over('ended too early'));
}

/** Ends a child process that is still there, by its id, and resolves when it has ended. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const isOver = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await isOver;
}

/** A program of this folder in a process of its own, spoken to in messages. */
export class Child<Command extends Message, Report extends Message> {
  readonly pid: number;
  readonly #process: ChildProcess;
  /** Each command has at most one report, so there are few. */
  readonly #inbox: Inbox<Report>;

  /**
   * @param label what errors call it
   * @param program file in this folder
   * @param config given to the program as its only argument
   */
  constructor(label: string, program: string, config: object) {
    this.#inbox = new Inbox(label);
    this.#process = fork(fileURLToPath(new URL(program, import.meta.url)), [JSON.stringify(config)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const child = this.#process;
    this.pid = child.pid ?? 0;
    track(child, this.#inbox);
    // Only our own programs are at the other end; they share the type of their reports with this side.
    child.on('message', message => this.#inbox.put(message as Report));
  }

  /** Sends a command; one to a process that has ended is lost, and the next {@link report} says so. */
  send(command: Command): void {
    if (this.#process.connected) this.#process.send(command, () => {});
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

/** The child's side: its configuration, from the command line. The bench made it, with the type that both sides name. */
export function childConfig<Config>(): Config {
  return JSON.parse(process.argv[2] ?? '{}') as Config;
}

/** The child's side: takes commands, and ends with the bench. */
export function onCommand<Command extends Message>(take: (command: Command) => void): void {
  process.on('message', message => take(message as Command));
  process.on('disconnect', () => process.exit(0));
}

/** The child's side: sends a report. */
export function report<Report extends Message>(message: Report): void {
  process.send?.(message);
}
