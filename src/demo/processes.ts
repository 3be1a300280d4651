import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Lines of output kept of a child, for error messages. */
const outputLinesMax = 40;
const lineCharsMax = 600;
const portAttemptsMax = 50;

/** A child process of the demo or of a test. */
export interface RunningProcess {
  readonly label: string;
  readonly pid: number;
  /** Resolves when it has ended, with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  /** Whether it has ended. */
  hasExited(): boolean;
  /** The last lines it printed on stdout and stderr, oldest first. */
  lastLines(): string[];
  /** Sends SIGTERM, after `graceMs` SIGKILL, and resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
  /** Sends SIGKILL and resolves when it has ended. */
  kill(): Promise<void>;
}

const living = new Set<ChildProcess>();
const folders = new Set<string>();
let isHooked = false;

/** No child outlives this process, however it ends short of SIGKILL: 'exit' comes for exceptions and process.exit() too. */
function hookExit(): void {
  if (isHooked) return;
  isHooked = true;
  process.on('exit', () => {
    for (const child of living) child.kill('SIGKILL');
    for (const folder of folders) removeFolder(folder);
  });
}

/** A new folder of ours for sockets and configuration. It goes with {@link removeFolder}, at the latest when this process ends. */
export function makeFolder(): string {
  hookExit();
  const folder = mkdtempSync(join(tmpdir(), 'weir-'));
  folders.add(folder);
  return folder;
}

/** Removes a folder of {@link makeFolder} with all in it. */
export function removeFolder(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Starts a child process.
 *
 * @param label what messages call it
 * @throws Error when it cannot be started at all (no such file, no right to run it)
 */
export async function startProcess(label: string, command: string, args: readonly string[]): Promise<RunningProcess> {
  hookExit();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  living.add(child);
  const lines: string[] = [];
  let isOver = false;
  const exited = new Promise<number | string>(resolve => {
    child.once('close', (code, signal) => {
      isOver = true;
      living.delete(child);
      resolve(signal ?? code ?? 1);
    });
  });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = (parts.pop() ?? '').slice(-lineCharsMax);
      lines.push(...parts.map(line => line.slice(0, lineCharsMax)));
      lines.splice(0, lines.length - outputLinesMax);
    });
  }
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', error => {
      living.delete(child);
      reject(new Error(`${label} cannot be started: ${error.message}`, { cause: error }));
    });
  });
  const kill = async (): Promise<void> => {
    if (!isOver) child.kill('SIGKILL');
    await exited;
  };
  return {
    label,
    pid: child.pid ?? 0,
    exited,
    hasExited: () => isOver,
    lastLines: () => [...lines],
    kill,
    stop: async (graceMs = 3000) => {
      if (isOver) return;
      const timer = setTimeout(() => void kill(), graceMs);
      child.kill('SIGTERM');
      await exited;
      clearTimeout(timer);
    },
  };
}

/**
 * A TCP port of loopback that nothing listens on, for what cannot be given port 0 or comes back on its port. It lies below
 * the ports that systems give to outgoing connections, else one of those could take it in the meantime.
 *
 * @throws Error when no free one was found
 */
export async function pickFreePort(): Promise<number> {
  for (let attempt = 0; attempt < portAttemptsMax; attempt += 1) {
    const port = randomInt(15_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise(resolve => server.close(resolve));
    return port;
  }
  throw new Error(`no free TCP port on 127.0.0.1 after ${portAttemptsMax} attempts`);
}

/**
 * Asks again and again until there is an answer. What is asked lives in another process, so there is no event to wait for.
 *
 * @param what completes "waited N ms for …" in the error
 * @param ask returns undefined while there is no answer
 * @param watch processes whose end makes waiting pointless
 * @throws Error after `timeoutMs`, or when a watched process ended, with its last lines
 */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  ask: () => T | undefined | Promise<T | undefined>,
  watch: readonly RunningProcess[] = [],
): Promise<T> {
  const startMs = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    const dead = watch.find(process => process.hasExited());
    const waitedMs = Math.round(performance.now() - startMs);
    if (dead || waitedMs > timeoutMs) {
      const reason = dead ? `${dead.label} ended while waiting for ${what}` : `waited ${waitedMs} ms for ${what}`;
      const output = (dead ? [dead] : watch).flatMap(process => [
        `--- ${process.label}:`,
        ...process.lastLines().slice(-12),
      ]);
      throw new Error([reason, ...output].join('\n'));
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
