import { spawnSync } from 'node:child_process';
import { type Data, nameOf } from '../test/support/deployment.ts';

/** Helm's own guess of a cluster is older than native sidecars. */
export const kubeVersion = '1.32.0';

/** What was rendered, by a title, for an API server to look at. */
export const seen = new Map<string, readonly Data[]>();

/** Runs a tool to its end. @throws Error when it cannot be run, or takes more than two minutes */
export function run(
  command: string,
  args: readonly string[],
  input = '',
): { status: number | null; stdout: string; stderr: string } {
  const result = spawnSync(command, args, { encoding: 'utf8', input, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });
  if (result.error) throw new Error(`${command} cannot be run: ${result.error.message}`);
  return result;
}

/** What a tool prints. @throws Error when it fails, with its words */
export function succeed(command: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr } = run(command, args, input);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr.trim()}`);
  return stdout;
}

let failed = 0;

/** How many checks have failed so far. */
export function failures(): number {
  return failed;
}

/** Runs a check and says how it went. */
export function check(title: string, body: () => void): void {
  try {
    body();
    process.stdout.write(`ok    ${title}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAIL  ${title}\n${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** Names of generated ConfigMaps without their digest. */
export const withoutDigests = (text: string): string =>
  text.replace(/\b(istio|weir-mcp|weir-defaults)-[0-9a-z]{10}$/gm, '$1');

/** Objects by kind and name. */
export const byName = (objects: readonly Data[]): Map<string, Data> =>
  new Map(objects.map(object => [`${object['kind']} ${nameOf(object)}`, object]));
