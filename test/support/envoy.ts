import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findEnvoy } from '../../src/demo/envoy-process.ts';

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Path of the Envoy that e2e tests use: WEIR_ENVOY, .envoy/envoy, or envoy on PATH; undefined when there is none.
 *
 * @throws Error when there is none and WEIR_REQUIRE_ENVOY is set, so that CI cannot skip by accident
 */
export function testEnvoy(): string | undefined {
  const explicit = process.env['WEIR_ENVOY'] || undefined;
  const envoy = findEnvoy({ explicit, from: [repository], searchPath: process.env['PATH'] ?? '' });
  if (envoy === undefined && process.env['WEIR_REQUIRE_ENVOY']) {
    throw new Error('WEIR_REQUIRE_ENVOY is set and there is no Envoy; run `npm run get-envoy` or set WEIR_ENVOY');
  }
  return envoy;
}

/** The `skip` option of a test that needs an Envoy: a reason, or false. */
export function skipWithout(envoy: string | undefined): string | false {
  return envoy === undefined ? 'no Envoy here: `npm run get-envoy` installs one' : false;
}

/** What starts Weir, before the subcommand: this checkout, or the script that WEIR_SCRIPT names, such as dist/weir.cjs. */
export const weirCommand: readonly string[] = [
  process.execPath,
  process.env['WEIR_SCRIPT'] ?? `${repository}/src/cli/main.ts`,
];
