import { type FileHandle, open } from 'node:fs/promises';
import { formatAge } from '../../admin/words.ts';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { duration, size } from '../../agent/setting-values.ts';
import { readLine } from '../../recording/format.ts';
import { type AgentOptions, agentClient, noAgent } from '../agent-address.ts';
import { print } from '../output.ts';
import { formatBytes } from '../table.ts';

/** Options of `weir record`. */
export interface RecordOptions extends AgentOptions {
  readonly out?: string;
  readonly for?: string;
  readonly maxBytes: string;
  /** Streams are not opened anew. */
  readonly resumed?: boolean;
  readonly output: string;
}

/** What is in a recording. */
interface Tally {
  streams: number;
  requests: number;
  responses: number;
  bytes: number;
  redacted: number;
}

const progressEveryMs = 1_000;
const dayMs = 86_400_000;

/** `weir record`: writes down what the agent and its control plane say to each other, until its time is over or a signal ends it. */
export async function record(options: RecordOptions): Promise<number> {
  const { out, output } = options;
  if (out === undefined) return usage('--out FILE says where the recording goes (- for standard output)');
  if (output !== 'text' && output !== 'json') return usage(`--output must be text or json (given: '${output}')`);
  const time = options.for === undefined ? { value: undefined } : duration(options.for, 100, dayMs);
  if ('error' in time) return usage(`--for ${time.error}`);
  const bytesMax = size(options.maxBytes);
  if ('error' in bytesMax) return usage(`--max-bytes ${bytesMax.error}`);
  const client = agentClient(options);
  const ending = new AbortController();
  const end = (): void => ending.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  let unwritable: Error | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads it may have seen enough.
    if (error.code !== 'EPIPE') unwritable = error;
    end();
  });
  const timer = time.value === undefined ? undefined : setTimeout(end, time.value);
  const begunMs = performance.now();
  const tally: Tally = { streams: 0, requests: 0, responses: 0, bytes: 0, redacted: 0 };
  const progress = showProgress(() => described(tally, performance.now() - begunMs));
  let reason: string;
  try {
    const { signal } = ending;
    reason = await write(out, linesOf(client.record(!options.resumed, signal), signal), bytesMax.value, tally);
    if (unwritable) throw new AgentError('cannot write to standard output', { cause: unwritable });
    if (signal.aborted) reason = 'as asked';
  } finally {
    clearTimeout(timer);
    progress.end();
  }
  const ms = Math.round(performance.now() - begunMs);
  // The recording itself may be on standard output.
  const say = out === '-' ? console.error : console.log;
  if (output === 'json') say(JSON.stringify({ out, ...tally, ms, reason }));
  else say(`Recorded to ${out}: ${described(tally, ms)}. It ended: ${reason}.`);
  return tally.streams > 0 ? exitCodes.ok : nothingSaid(!options.resumed, reason);
}

/** Writes lines until there are no more, or no room. Nothing is opened before the first of them. @returns why it ended */
async function write(out: string, lines: AsyncIterable<string>, bytesMax: number, tally: Tally): Promise<string> {
  let file: FileHandle | undefined;
  try {
    for await (const line of lines) {
      const text = `${line}\n`;
      const bytes = Buffer.byteLength(text);
      if (tally.bytes + bytes > bytesMax) return `it would have grown past ${formatBytes(bytesMax)} (--max-bytes)`;
      count(tally, line);
      tally.bytes += bytes;
      if (out === '-') await print(text);
      else {
        file ??= await openPrivately(out);
        await append(file, out, text);
      }
    }
    return 'the agent ended';
  } catch (error) {
    if (tally.bytes === 0 || error instanceof AgentError) throw error instanceof AgentError ? error : noAgent(error);
    return `the agent broke it off (${messageOf(error)})`;
  } finally {
    await file?.close();
  }
}

/** A line on the terminal that is written over until the end. */
function showProgress(line: () => string): { end(): void } {
  if (!process.stderr.isTTY) return { end: () => {} };
  const timer = setInterval(() => process.stderr.write(`\r\x1b[K${line()}`), progressEveryMs);
  return {
    end: () => {
      clearInterval(timer);
      process.stderr.write('\r\x1b[K');
    },
  };
}

function nothingSaid(isWhole: boolean, reason: string): number {
  console.error(
    isWhole
      ? `weir: no upstream stream is in it. It ended: ${reason}; otherwise nothing is asked for, or the control plane cannot be reached (weir status)`
      : 'weir: no upstream stream was opened meanwhile; without --resumed the agent opens them anew for the recording',
  );
  return exitCodes.failed;
}

/** Lines until the signal ends them; a piece of one at the end is left out. */
async function* linesOf(bytes: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  try {
    for await (const piece of bytes) {
      let start = 0;
      for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
        yield Buffer.concat([...rest, piece.subarray(start, end)]).toString();
        rest = [];
        start = end + 1;
      }
      if (start < piece.length) rest.push(piece.subarray(start));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function count(tally: Tally, line: string): void {
  if (tally.bytes === 0) return; // The header.
  const event = readLine(line, 2);
  if ('error' in event || 'weir' in event) return;
  if (event.kind === 'opened') tally.streams++;
  if (event.kind === 'request') tally.requests++;
  if (event.kind === 'response') {
    tally.responses++;
    tally.redacted += event.redacted?.length ?? 0;
  }
}

function described({ streams, requests, responses, bytes, redacted }: Tally, ms: number): string {
  const left = redacted > 0 ? `; ${redacted} bodies that hold keys, or must not be kept, are left out` : '';
  return `${streams} streams, ${requests} requests, ${responses} responses in ${formatAge(ms)}, ${formatBytes(bytes)}${left}`;
}

async function openPrivately(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, 'w', 0o600);
    // It may have been there, open to others; a pipe or a device is somebody else's.
    if ((await file.stat()).isFile()) await file.chmod(0o600);
    return file;
  } catch (cause) {
    throw new AgentError(`cannot write the recording ${path}`, { cause });
  }
}

async function append(file: FileHandle, path: string, text: string): Promise<void> {
  try {
    await file.appendFile(text);
  } catch (cause) {
    throw new AgentError(`cannot go on with the recording ${path}`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function usage(problem: string): number {
  console.error(`weir: ${problem}`);
  return exitCodes.usage;
}
