import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Programs made of Go libraries: where the program is, or why it is not there. */
export type Peers = { readonly program: string } | { readonly missing: string };

/** Folder of the Go sources of a program in `test/programs`. */
export function goSources(folder: 'go' | 'go-types'): string {
  return join(repository, 'test', 'programs', folder);
}

/**
 * Builds a Go program, which is quick when nothing changed. Without Go the tests that need it are skipped; with REQUIRE_PEERS set that is
 * a failure.
 *
 * @throws Error when it cannot be built, or must be there and is not
 */
function build(folder: 'go' | 'go-types', name: string, what: string): Peers {
  const version = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (version.status !== 0) {
    if (process.env['REQUIRE_PEERS']) throw new Error('REQUIRE_PEERS is set and there is no Go; install it');
    return { missing: `no Go here to build ${what} with` };
  }
  const program = join(repository, '.peers', name);
  const options = { cwd: goSources(folder), encoding: 'utf8', timeout: 280_000 } as const;
  const built = spawnSync('go', ['build', '-o', program, '.'], options);
  if (built.status !== 0) throw new Error(`${what} cannot be built: ${built.stderr || String(built.error)}`);
  return { program };
}

/** Builds the program with go-control-plane and gRPC-Go in it. */
export function buildPeers(): Peers {
  return build('go', 'peers', 'the go-control-plane and gRPC-Go peers');
}

/** Builds the program with Istio's and Envoy's own types in it. */
export function buildGoTypes(): Peers {
  return build('go-types', 'types', "the program with Istio's and Envoy's types");
}
