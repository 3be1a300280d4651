import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { duration } from '../../agent/setting-values.ts';
import { type Recording, readRecording } from '../../recording/read-recording.ts';
import { type ReplayOutcome, ReplayServer } from '../../recording/replay-server.ts';
import { type Difference, type RecordedStream, type ReplayScript, streamsOf } from '../../recording/script.ts';
import { formatAddress, isLocalOnly, parseAddress } from '../../xds/address.ts';

/** Options of `weir replay`. */
export interface ReplayOptions {
  readonly listen: string;
  readonly paced?: boolean;
  readonly check?: boolean;
  readonly for?: string;
  readonly output: string;
}

const dayMs = 86_400_000;

/** `weir replay`: a control plane that says what was recorded, to clients of the same variant; resolves to 1 where `--check` finds that clients said something else. */
export async function replay(path: string, options: ReplayOptions): Promise<number> {
  const { output, check: isChecking = false, paced: isPaced = false } = options;
  if (output !== 'text' && output !== 'json') return usage(`--output must be text or json (given: '${output}')`);
  const address = parseAddress(options.listen);
  if ('error' in address) return usage(`--listen ${address.error}`);
  const time = options.for === undefined ? { value: undefined } : duration(options.for, 100, dayMs);
  if ('error' in time) return usage(`--for ${time.error}`);
  const isJson = output === 'json';
  const streams = await load(path, isJson);
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const server: ReplayServer = new ReplayServer({
    streams,
    isPaced,
    onProgress: (stream, script) => {
      if (!isJson) console.log(described(stream, streams, script));
      if (isChecking && server.outcome.isOver) end();
    },
  });
  const listening = await server.listen(address).catch((cause: unknown) => {
    throw new AgentError(`cannot listen on ${options.listen} (--listen)`, { cause });
  });
  if (!isJson)
    console.log(`Replaying ${streams.length} streams (${variantsOf(streams)}) on ${formatAddress(listening)}.`);
  if (!isLocalOnly(listening)) {
    console.error(
      `weir: whoever reaches ${formatAddress(listening)} may read the recording: it is in plaintext and asks nobody who he is`,
    );
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end());
  const timer = time.value === undefined ? undefined : setTimeout(end, time.value);
  await over;
  clearTimeout(timer);
  const { outcome } = server;
  server.stop();
  if (isJson) console.log(JSON.stringify(outcome, undefined, 2));
  else process.stdout.write(rendered(outcome));
  return isChecking && (!outcome.isOver || outcome.differences.length > 0) ? exitCodes.failed : exitCodes.ok;
}

async function load(path: string, isJson: boolean): Promise<readonly RecordedStream[]> {
  let recording: Recording | { readonly error: string };
  try {
    const input = path === '-' ? process.stdin : createReadStream(path);
    recording = await readRecording(createInterface({ input, crlfDelay: Infinity }));
  } catch (cause) {
    throw new AgentError(`cannot read the recording ${path}`, { cause });
  }
  if ('error' in recording) throw new AgentError(`${path} is no recording that can be replayed: ${recording.error}`);
  const streams = streamsOf(recording.events);
  if (streams.length === 0)
    throw new AgentError(`there is no stream in ${path}: nothing was opened while it was recorded`);
  if (recording.isCut) console.error(`weir: the last line of ${path} is incomplete and left out`);
  if (!isJson) console.log(`Recorded ${recording.header.begun}.`);
  return streams;
}

function described(number: number, streams: readonly RecordedStream[], script: ReplayScript): string {
  const { variant, nodeId } = streams[number - 1] ?? { variant: '', nodeId: '' };
  const { sent, of } = script.progress;
  const state = script.isOver ? 'played to its end' : 'begun';
  return `Stream ${number} of ${streams.length} (${variant}, node ${nodeId || 'unknown'}): ${state}, ${sent} of ${of} responses`;
}

const difference: Readonly<Record<Difference['kind'], string>> = {
  missing: 'not said, but recorded',
  unexpected: 'said, but not recorded',
  names: 'other names than recorded',
  node: 'another node than recorded',
};

/** The variants of a recording: a client must speak the same. */
function variantsOf(streams: readonly RecordedStream[]): string {
  return [...new Set(streams.map(({ variant }) => variant))].join(' and ');
}

function rendered({ streams, streamsOf: of, responses, responsesOf, differences, isOver }: ReplayOutcome): string {
  const lines = differences.map(({ stream, kind, said }) => `stream ${stream}: ${difference[kind]}: ${said}`);
  let verdict = `${differences.length} differences.`;
  if (streams === 0) verdict = 'No client of its variant has connected.';
  else if (differences.length === 0) verdict = isOver ? 'Everything was said as recorded.' : 'Not all was played.';
  lines.push(`${streams} of ${of} streams and ${responses} of ${responsesOf} responses played. ${verdict}`);
  return `${lines.join('\n')}\n`;
}

function usage(problem: string): number {
  console.error(`weir: ${problem}`);
  return exitCodes.usage;
}
