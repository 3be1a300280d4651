import { AgentError, exitCodes } from '../agent/errors.ts';

/** Writes to standard output, and resolves when it may be given more: whoever reads it decides how fast. */
export function print(text: string): Promise<void> {
  return new Promise(resolve => {
    process.stdout.write(text, () => resolve());
  });
}

/** Prints what comes piece by piece. */
export async function printAll(pieces: Iterable<string> | AsyncIterable<string>): Promise<void> {
  for await (const piece of pieces) await print(piece);
}

/** Whether JSON is asked for. @throws AgentError when it is neither that nor text */
export function isJson(output: unknown): boolean {
  if (output === 'text' || output === 'json') return output === 'json';
  throw new AgentError(`--output must be text or json (given: '${String(output)}')`, { exitCode: exitCodes.usage });
}

/** Makes a JSON array of what comes, an element a line, in pieces: it never stands in memory as a whole. */
export async function* jsonArray(elements: Iterable<unknown> | AsyncIterable<unknown>): AsyncGenerator<string> {
  let piece = '[';
  let isFirst = true;
  for await (const element of elements) {
    piece += `${isFirst ? '' : ','}\n${JSON.stringify(element)}`;
    isFirst = false;
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}${isFirst ? '' : '\n'}]\n`;
}

/** Characters that are gathered for one write. */
const pieceLength = 64 * 1024;
