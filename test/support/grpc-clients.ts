import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { weirCommand } from './envoy.ts';
import { serviceName } from './grpc-world.ts';
import { LineProcess, textAt } from './line-process.ts';
import { buildPeers } from './peers.ts';

const peers = buildPeers();
const jsClient = join(dirname(dirname(fileURLToPath(import.meta.url))), 'programs', 'grpc-js-client.ts');
const target = `xds:///${serviceName}`;

/** A real gRPC client. */
export interface GrpcKind {
  readonly name: string;
  readonly skip: string | false;
  readonly command: readonly string[];
}

/** Those that there are. */
export const grpcKinds: readonly GrpcKind[] = [
  {
    name: 'gRPC-Go',
    skip: 'missing' in peers ? peers.missing : false,
    command: 'program' in peers ? [peers.program, 'grpc-client', '--target', target] : [],
  },
  { name: 'grpc-js-xds', skip: false, command: [process.execPath, jsClient, target] },
];

/** What `weir bootstrap grpc` prints for the agent on this port. */
function bootstrap(port: number): string {
  const [node = '', ...script] = weirCommand;
  const args = [...script, 'bootstrap', 'grpc', '--listen', `127.0.0.1:${port}`];
  return spawnSync(node, args, { encoding: 'utf8', timeout: 30_000 }).stdout;
}

/** Starts a client in a process of its own, with what `weir bootstrap grpc` prints. @param port of the agent */
export function startGrpcClient(t: TestContext, { name, command }: GrpcKind, port: number): LineProcess {
  return new LineProcess(t, name, command, { GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap(port) });
}

/** Waits until the client's calls reach the backend on this port. */
export async function reaches(client: LineProcess, port: number): Promise<void> {
  const isThere = (line: unknown) => (textAt(line, 'backend')?.endsWith(`:${port}`) ? true : undefined);
  await client.line(`an answer of the backend on port ${port}`, isThere, client.lines.length);
}
