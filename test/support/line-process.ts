import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { waitFor } from '../../src/demo/processes.ts';

const waitMs = 20_000;

/** A process that says one JSON object a line. The test's end kills it. */
export class LineProcess {
  /** What it has said, oldest first. */
  readonly lines: unknown[] = [];
  readonly #label: string;
  readonly #child: ChildProcess;
  readonly #errors: string[] = [];

  constructor(
    context: TestContext,
    label: string,
    command: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    const [program = '', ...args] = command;
    this.#label = label;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    this.#child = child;
    context.after(() => this.stop());
    child.on('error', error => this.#errors.push(error.message));
    // A process that has ended cannot be told anything; its silence is noticed where it matters.
    child.stdin.on('error', () => {});
    createInterface({ input: child.stdout }).on('line', line => this.lines.push(JSON.parse(line)));
    createInterface({ input: child.stderr }).on('line', line => {
      if (this.#errors.push(line) > 20) this.#errors.shift();
    });
  }

  /** Tells it one JSON object on its standard input. */
  send(value: unknown): void {
    this.#child.stdin?.write(`${JSON.stringify(value)}\n`);
  }

  /** Waits for the first line from index `from` on that `read` makes something of. @throws Error with what it said on stderr */
  async line<T>(what: string, read: (line: unknown) => T | undefined, from = 0): Promise<T> {
    let at = from;
    const next = (): T | undefined => {
      for (; at < this.lines.length; at += 1) {
        const found = read(this.lines[at]);
        if (found !== undefined) return found;
      }
      return undefined;
    };
    try {
      return await waitFor(what, waitMs, next);
    } catch (error) {
      const said = [...this.lines.slice(-3).map(line => JSON.stringify(line)), ...this.#errors].join('\n');
      throw new Error(`${this.#label}: ${said}`, { cause: error });
    }
  }

  /** Ends it at once. */
  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Text of a member of a line, or undefined. */
export function textAt(line: unknown, key: string): string | undefined {
  if (typeof line !== 'object' || line === null || !(key in line)) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(line, key)?.value;
  return typeof value === 'string' ? value : undefined;
}
