import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolveSettings } from '../../src/agent/config.ts';
import type { Settings } from '../../src/agent/settings.ts';
import { readConfigFile } from '../../src/cli/config-file.ts';
import { createProgram } from '../../src/cli/main.ts';
import { at, type Data, parseDocuments } from './deployment.ts';

/** The folder of the manifests for any cluster. */
export const kubernetesFolder = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url));
/** The folder of the chart that installs the webhook and the DaemonSet. */
export const chartFolder = fileURLToPath(new URL('../../deploy/chart', import.meta.url));

/** Manifests that are what `weir inject` makes of `inputs/NAME`. */
export const injected = ['native-sidecar.yaml', 'classic-sidecar.yaml', 'grpc-app.yaml'] as const;

const ca = ['ConfigMap control-plane-ca'];
/** Manifests of one file each, with what it takes to be there already. */
export const single: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ...injected.map((name): [string, readonly string[]] => [name, ca]),
  ['daemonset.yaml', ca],
  ['daemonset-client.yaml', []],
  ['gateway.yaml', ca],
]);

/** Objects of a file of the manifests. */
export function manifest(name: string): Data[] {
  return parseDocuments(readFileSync(join(kubernetesFolder, name), 'utf8'), name);
}

/** Paths of all files of a folder, from it. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

/** Arguments of a container. */
export function argumentsOf(container: unknown): readonly string[] {
  const args = at(container, 'args');
  return Array.isArray(args) ? args.map(String) : [];
}

/**
 * What the command line has against arguments; empty where it takes them. Values are looked at for `run` only.
 *
 * @param path of the file that `--config` names
 */
export async function problemsOf(args: readonly string[], path?: string): Promise<readonly string[]> {
  if (args[0] === 'run') {
    const resolution = await settingsOf(args, path);
    return 'problems' in resolution ? resolution.problems : [];
  }
  let command = createProgram(() => {});
  let rest = [...args];
  for (;;) {
    const next = command.commands.find(one => one.name() === rest[0]);
    if (!next) break;
    command = next;
    rest = rest.slice(1);
  }
  const problems: string[] = [];
  for (let here = 0; here < rest.length; here++) {
    const [flag = '', value] = rest[here]?.split(/=(.*)/s, 2) ?? [];
    const option = command.options.find(one => one.long === flag);
    if (!option) problems.push(`${command.name()} has no ${flag}`);
    else if (option.required && value === undefined && rest[++here] === undefined)
      problems.push(`${flag} needs a value`);
    else if (option.isBoolean() && value !== undefined) problems.push(`${flag} takes no value`);
  }
  return problems;
}

/** What `weir run` would run with. Variables of the pod have some value. */
export async function settingsOf(
  args: readonly string[],
  path?: string,
): Promise<{ readonly settings: Settings } | { readonly problems: readonly string[] }> {
  const flags = new Map<string, string>();
  for (const arg of args.slice(1)) {
    const [, flag, value] = /^(--[a-z-]+)=(.*)$/.exec(arg) ?? [];
    if (flag === undefined || value === undefined) return { problems: [`${arg} is not --FLAG=VALUE`] };
    flags.set(flag, value);
  }
  const hasFile = flags.delete('--config');
  const file = hasFile && path !== undefined ? await readConfigFile(path) : undefined;
  return resolveSettings({ flags, environment: new Map(), file });
}
