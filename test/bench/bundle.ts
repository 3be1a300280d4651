import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Longest build of a bundle, in ms. */
const buildMsMax = 60_000;

/**
 * Builds what is shipped, so that it is what is measured.
 *
 * @param folder where the file is to be
 * @param entry another program, from the root of the clone, to be built in the same way; Weir itself if there is none
 * @returns path of the file
 * @throws Error with what the build says
 */
export async function buildBundle(folder: string, entry?: string): Promise<string> {
  const bundle = join(folder, entry === undefined ? 'weir.cjs' : 'program.cjs');
  const script = fileURLToPath(new URL('../../scripts/build.ts', import.meta.url));
  const flags = ['--out', bundle, ...(entry === undefined ? [] : ['--entry', entry])];
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, [script, ...flags], { timeout: buildMsMax }, (error, _, stderr) =>
      error ? reject(new Error(`the bundle cannot be built: ${stderr.trim() || error.message}`)) : resolve(),
    );
  });
  return bundle;
}
