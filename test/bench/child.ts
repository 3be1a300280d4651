import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const errorCharsMax = 4000;

/** Ends a child process that is still there, by its id, and resolves when it has ended. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const isOver = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await isOver;
}

const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** Any message between the bench and its children. */
export interface Message {
  readonly kind: string;
}

/** A program of this folder in a process of its own, spoken to in messages. */
export class Child<Command extends Message, Report extends Message> {
  readonly pid: number;
  readonly #label: string;
  readonly #process: ChildProcess;
  /** Reports nobody waited for yet. Each command has at most one report, so there are few. */
  readonly #reports: Report[] = [];
  #wake: (() => void) | undefined;
  #ending: string | undefined;
  #errors = '';

  /**
   * @param label what errors call it
   * @param program file in this folder
   * @param config given to the program as its only argument
   */
  constructor(label: string, program: string, config: object) {
    this.#label = label;
    this.#process = fork(fileURLToPath(new URL(program, import.meta.url)), [JSON.stringify(config)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const child = this.#process;
    this.pid = child.pid ?? 0;
    living.add(child);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-errorCharsMax);
    });
    child.on('message', message => {
      // Only our own programs are at the other end; they share the type of their reports with this side.
      this.#reports.push(message as Report);
      this.#wake?.();
    });
    const over = (why: string) => () => {
      living.delete(child);
      this.#ending ??= why;
      this.#wake?.();
    };
    child.once('error', over('could not be started'));
    child.once('exit', over('ended too early'));
  }

  /** Sends a command; one to a process that has ended is lost, and the next {@link report} says so. */
  send(command: Command): void {
    if (this.#process.connected) this.#process.send(command, () => {});
  }

  /**
   * Waits for the next report of a kind.
   *
   * @param passesOver whether reports of other kinds are passed over, but for failures
   * @throws Error when the program reports a failure, ends, or reports something else
   */
  async report<Kind extends Report['kind']>(kind: Kind, passesOver = false): Promise<Extract<Report, { kind: Kind }>> {
    for (;;) {
      const report = this.#reports.shift();
      if (report?.kind === kind) return report as Extract<Report, { kind: Kind }>;
      if (report !== undefined && passesOver && report.kind !== 'failed') continue;
      if (report !== undefined) throw new Error(`${this.#label}: ${JSON.stringify(report).slice(0, 500)}`);
      if (this.#ending !== undefined) throw new Error(`${this.#label} ${this.#ending}: ${this.#errors.trim()}`);
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
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
