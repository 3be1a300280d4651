import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isExecutable } from '../../src/demo/envoy-process.ts';

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where `npm run get-chromium` puts it. */
export const chromiumFolder = join(repository, '.chromium');

const programNames = ['chromium', 'chromium-headless-shell', 'google-chrome', 'chromium-browser'];

/**
 * Path of the Chromium that tests use: CHROMIUM, .chromium/chromium, or one on PATH; undefined when there is none.
 *
 * @throws Error when CHROMIUM names nothing that can be run, or when there is none and REQUIRE_CHROMIUM is set, so that CI cannot skip by accident
 */
export function testChromium(): string | undefined {
  const found = findChromium();
  if (found === undefined && process.env['REQUIRE_CHROMIUM']) {
    throw new Error('REQUIRE_CHROMIUM is set and there is no Chromium; run `npm run get-chromium` or set CHROMIUM');
  }
  return found;
}

/** The same without a demand. @throws Error when CHROMIUM names nothing that can be run */
export function findChromium(): string | undefined {
  // Not called WEIR_…: Weir takes such a variable for a setting.
  const explicit = process.env['CHROMIUM'] || undefined;
  if (explicit !== undefined) {
    if (isExecutable(explicit)) return explicit;
    throw new Error(`CHROMIUM is ${explicit}, which is no program that can be run; give the path of a Chromium`);
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '');
  const places = folders.flatMap(folder => programNames.map(name => join(folder, name)));
  return [join(chromiumFolder, 'chromium'), ...places].find(isExecutable);
}

/** The `skip` option of a test that needs a Chromium: a reason, or false. */
export function skipWithoutChromium(chromium: string | undefined): string | false {
  return chromium === undefined ? 'no Chromium here: `npm run get-chromium` brings one' : false;
}
