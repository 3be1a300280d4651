import { get, type IncomingMessage } from 'node:http';
import { childConfig, onCommand, report } from './child.ts';

// What an operator costs: an open dashboard, and somebody who reads the whole dump again and again.

/** Configuration of the program. */
export interface OnlookerConfig {
  /** Admin port of the agent, on the loopback interface. */
  readonly port: number;
}

/** What the bench asks of it. */
export type OnlookerCommand = { readonly kind: 'start' } | { readonly kind: 'counts' };

/** What it tells the bench. */
export type OnlookerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'looking' }
  /** Events that were seen, dumps that were read, their bytes, and how long each took at most, in ms. */
  | {
      readonly kind: 'counts';
      readonly events: number;
      readonly dumps: number;
      readonly dumpBytes: number;
      readonly slowestDumpMs: number;
    };

const { port } = childConfig<OnlookerConfig>();
/** As the dashboard does after events, at most. */
const stateEveryMs = 1_000;
const dumpEveryMs = 500;
const counts = { events: 0, dumps: 0, dumpBytes: 0, slowestDumpMs: 0 };

function open(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, resolve).on('error', reject);
  });
}

async function read(path: string): Promise<number> {
  let bytes = 0;
  for await (const piece of (await open(path)) as AsyncIterable<Buffer>) bytes += piece.length;
  return bytes;
}

/** Again and again, each time after the one before. */
async function repeat(everyMs: number, act: () => Promise<void>): Promise<never> {
  for (;;) {
    const startMs = performance.now();
    await act();
    await new Promise(resolve => setTimeout(resolve, Math.max(0, everyMs - (performance.now() - startMs))));
  }
}

async function look(): Promise<void> {
  const events = await open('/events');
  events.setEncoding('utf8').on('data', (text: string) => {
    counts.events += text.split('event: happened').length - 1;
  });
  const isWrong = (error: unknown): never => {
    throw error;
  };
  repeat(stateEveryMs, async () => {
    for (const path of ['/status', '/trend', '/metrics']) await read(path);
  }).catch(isWrong);
  repeat(dumpEveryMs, async () => {
    const startMs = performance.now();
    counts.dumpBytes = await read('/config_dump');
    counts.slowestDumpMs = Math.max(counts.slowestDumpMs, performance.now() - startMs);
    counts.dumps++;
  }).catch(isWrong);
  report<OnlookerReport>({ kind: 'looking' });
}

onCommand<OnlookerCommand>(command => {
  if (command.kind === 'counts') report<OnlookerReport>({ kind: 'counts', ...counts });
  else
    look().catch((error: unknown) => {
      throw error;
    });
});
report<OnlookerReport>({ kind: 'ready' });
