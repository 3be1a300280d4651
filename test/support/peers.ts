import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const sources = join(repository, 'test', 'programs', 'go');
const program = join(repository, '.peers', 'peers');

/** The peers made of Go libraries: where the program is, or why it is not there. */
export type Peers = { readonly program: string } | { readonly missing: string };

/**
 * Builds the Go program with go-control-plane and gRPC-Go in it, which is quick when nothing changed. Without Go the tests that need it are
 * skipped; with REQUIRE_PEERS set that is a failure.
 *
 * @throws Error when it cannot be built, or must be there and is not
 */
export function buildPeers(): Peers {
  const version = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (version.status !== 0) {
    if (process.env['REQUIRE_PEERS']) throw new Error('REQUIRE_PEERS is set and there is no Go; install it');
    return { missing: 'no Go here to build the go-control-plane and gRPC-Go peers with' };
  }
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: sources, encoding: 'utf8', timeout: 280_000 });
  if (built.status !== 0) throw new Error(`the Go peers cannot be built: ${built.stderr || String(built.error)}`);
  return { program };
}
