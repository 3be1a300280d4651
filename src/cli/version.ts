import { readFileSync } from 'node:fs';

/** Filled in by the bundler; the sources read package.json instead. */
declare const WEIR_VERSION: string | undefined;

/** Version of this program. */
export const weirVersion: string = typeof WEIR_VERSION === 'string' ? WEIR_VERSION : versionOfSources();

function versionOfSources(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}
