import { chmodSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { AgentError, usageError } from '../agent/errors.ts';

/**
 * Reads a text, UTF-8 and nothing else: what cannot be read as such would come back as something else.
 *
 * @param path `-` for standard input
 * @param bytesMax largest size
 * @throws AgentError (usage) that names the file
 */
export function readText(path: string, bytesMax: number): string {
  const title = path === '-' ? 'standard input' : path;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    throw usageError(`cannot read ${title}`, error);
  }
  if (bytes.length > bytesMax) throw usageError(`${title} has more than ${bytesMax / 2 ** 20} MiB`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw usageError(`${title} is not UTF-8`);
  }
}

/**
 * Writes a file so that it is there as it was or as a whole; what is no plain file, such as a pipe, is written to. A link leads to its file, whose mode stays.
 *
 * @param mode of a file that is new
 * @throws AgentError that names the file
 */
export function writeWhole(path: string, text: string, mode: number): void {
  let unfinished: string | undefined;
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found && !found.isFile()) {
      writeFileSync(path, text);
      return;
    }
    const target = found ? realpathSync(path) : path;
    unfinished = `${target}.weir-${process.pid}`;
    writeFileSync(unfinished, text);
    chmodSync(unfinished, found ? found.mode & 0o7777 : mode);
    renameSync(unfinished, target);
  } catch (error) {
    if (unfinished !== undefined) rmSync(unfinished, { force: true });
    throw new AgentError(`cannot write ${path}`, { cause: error });
  }
}
