import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { weirCommand } from './envoy.ts';

const [node = '', ...script] = weirCommand;
// What the caller has set for Weir must not reach the processes under test.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WEIR_')));

/** How a command ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command to its end while this process goes on, so that it may answer.
 *
 * @param isEnough what it has printed on stdout is enough: nobody reads on, as behind `| head`
 */
export async function runWeir(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  isEnough: (stdout: string) => boolean = () => false,
): Promise<Outcome> {
  const child = spawn(node, [...script, ...args], { env: { ...environment, ...variables }, timeout: 60_000 });
  const read = async (stream: NodeJS.ReadableStream, isOver: (text: string) => boolean): Promise<string> => {
    let text = '';
    for await (const chunk of stream) {
      text += String(chunk);
      if (isOver(text)) break;
    }
    return text;
  };
  const [stdout, stderr, [status]] = await Promise.all([
    read(child.stdout, isEnough),
    read(child.stderr, () => false),
    once(child, 'exit'),
  ]);
  return { status, stdout, stderr };
}

type LogLine = Readonly<Record<string, unknown>>;

/** A command that logs JSON lines until it is told to stop. The test's end kills it. */
class LoggingProcess {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(context: TestContext, command: readonly string[]) {
    const [program = '', ...args] = command;
    this.child = spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
    context.after(() => this.child.kill('SIGKILL'));
    assert.ok(this.child.stdout);
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** The next log line whose message matches. */
  async line(message: RegExp): Promise<LogLine> {
    for (let next = await this.#lines.next(); !next.done; next = await this.#lines.next()) {
      const line: LogLine = JSON.parse(next.value);
      if (message.test(String(line['msg']))) return line;
    }
    assert.fail(`the process ended without a line like ${message}`);
  }

  /** Ends it, and waits until it has ended. */
  async stop(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  }

  /** Ends it without letting it do anything more, and waits until it has ended. */
  async kill(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

const argumentsOf = (flags: Readonly<Record<string, string>>): string[] =>
  Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);

/** `weir run` with free ports, or those of its own configuration file, as a process of its own. */
export class WeirProcess extends LoggingProcess {
  /** @param wrapper a command that runs it, such as `unshare` */
  constructor(context: TestContext, flags: Readonly<Record<string, string>>, wrapper: readonly string[] = []) {
    const addresses = flags['config'] === undefined ? { listen: '127.0.0.1:0', admin: '127.0.0.1:0' } : {};
    const all = { ...addresses, 'log-format': 'json', ...flags };
    super(context, [...wrapper, node, ...script, 'run', ...argumentsOf(all)]);
  }
}

/** `weir source` with a free port, as a process of its own. */
export class SourceProcess extends LoggingProcess {
  constructor(context: TestContext, flags: Readonly<Record<string, string>>) {
    const all = { listen: '127.0.0.1:0', 'log-format': 'json', ...flags };
    super(context, [node, ...script, 'source', ...argumentsOf(all)]);
  }
}
