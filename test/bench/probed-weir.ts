import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { get } from '../../src/demo/http-traffic.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { type RunningWeir, startWeir } from '../../src/demo/weir-process.ts';
import { memoryOf } from './process-figures.ts';

const waitMs = 10_000;
const mebibyte = 1024 * 1024;

/** Memory after a collection of garbage, in MiB. */
export interface ProbedMemory {
  /** JavaScript objects in use. */
  readonly heapMiB: number;
  /** Buffers: bodies, messages on their way, pools. */
  readonly buffersMiB: number;
  /** Anonymous memory of the process. */
  readonly ownMiB: number;
}

/** A Weir that can be asked what it holds. */
export interface ProbedWeir extends RunningWeir {
  memory(): Promise<ProbedMemory>;
  /** Value of a metric without labels. @throws Error when there is none */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** Starts the bundle with a probe for its memory. */
export async function startProbedWeir(bundle: string, upstream: string, flags: readonly string[]): Promise<ProbedWeir> {
  const folder = makeFolder();
  const file = join(folder, 'memory.json');
  process.env['BENCH_MEMORY_FILE'] = file;
  const probe = fileURLToPath(new URL('memory-probe.cjs', import.meta.url));
  const command = [process.execPath, '--expose-gc', '--require', probe, bundle];
  const weir = await startWeir({ command, upstream, folder, upstreamVariant: 'delta', logLevel: 'error', flags });
  const { pid } = weir.process;
  return {
    ...weir,
    async memory() {
      rmSync(file, { force: true });
      process.kill(pid, 'SIGUSR2');
      await waitFor('the agent to look at its memory', waitMs, () => (existsSync(file) ? true : undefined), [
        weir.process,
      ]);
      const { heapUsed, arrayBuffers } = JSON.parse(readFileSync(file, 'utf8'));
      const ownMiB = memoryOf(pid)?.ownMiB ?? Number.NaN;
      return { heapMiB: heapUsed / mebibyte, buffersMiB: arrayBuffers / mebibyte, ownMiB };
    },
    async metric(name) {
      const { body } = await get({ host: '127.0.0.1', port: weir.adminPort }, '/metrics');
      const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(body);
      if (found === null) throw new Error(`the agent has no metric ${name}`);
      return Number(found[1]);
    },
    async stop() {
      await weir.process.kill();
      removeFolder(folder);
    },
  };
}
