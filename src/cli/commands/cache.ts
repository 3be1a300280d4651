import { lchown, lstat, readFile, writeFile } from 'node:fs/promises';
import { AdminClient } from '../../admin/client.ts';
import { cacheRows } from '../../agent/cache-settings.ts';
import {
  type CachePlace,
  exportCache,
  finishBundle,
  importCache,
  listCache,
  listCached,
  purgeCache,
  verifyCache,
} from '../../agent/cache-tools.ts';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { isAnswered } from '../../net/unix-socket.ts';
import { adminSocketOf } from '../agent-address.ts';
import { listResources, renderIdle, renderViews } from '../cache-table.ts';
import { formatBytes } from '../table.ts';

/** Options of all `weir cache` commands, as commander gives them. */
export type CacheOptions = Readonly<Record<string, unknown>>;

/** `weir cache ls`: by node and type, or resource by resource. */
export async function cacheLs(
  type: string | undefined,
  name: string | undefined,
  options: CacheOptions,
): Promise<number> {
  const place = placeOf(options);
  const agent = await runningAgent(place);
  const views = agent ? await agent.listCache() : await listCache(place);
  if (type !== undefined || options['resources'] === true) {
    const rows = (typeUrl: string) => (agent ? agent.cachedResources(typeUrl) : listCached(place, typeUrl));
    return listResources(views, rows, type, name, isJson(options));
  }
  if (isJson(options)) {
    console.log(JSON.stringify(views, undefined, 2));
    return exitCodes.ok;
  }
  process.stdout.write(renderViews(views, Date.now()));
  const idle = agent && renderIdle(views, (await agent.report()).idleNodes, Date.now());
  if (idle !== undefined) process.stdout.write(idle);
  return exitCodes.ok;
}

/** `weir cache verify`: 0 when everything can be restored, 1 when something cannot. */
export async function cacheVerify(options: CacheOptions): Promise<number> {
  const place = placeOf(options);
  await refuseIfHeld(place, 'verify');
  const found: Parameters<Parameters<typeof verifyCache>[1]>[0][] = [];
  const isSound = await verifyCache(place, type => {
    found.push(type);
    if (isJson(options)) return;
    const { nodeId, type: name, resources, isKnown, problems } = type;
    console.log(
      `${problems.length === 0 ? 'ok  ' : 'BAD '} ${nodeId} ${name}: ${resources} ${isKnown ? 'resources, a whole set' : 'resources by name'}`,
    );
    for (const problem of problems) console.log(`     ${problem}`);
  });
  if (isJson(options)) console.log(JSON.stringify({ isSound, types: found }, undefined, 2));
  else
    console.log(isSound ? 'The cache is sound.' : 'The cache is damaged; what is bad is fetched anew by the next run.');
  return isSound ? exitCodes.ok : exitCodes.failed;
}

/** `weir cache export`. */
export async function cacheExport(options: CacheOptions): Promise<number> {
  const place = placeOf(options);
  const out = textOf(options, 'out');
  if (out === undefined) return usage('--out FILE says where the bundle goes (- for standard output)');
  const match = cacheRows.cacheMatch.parse(textOf(options, 'match') ?? 'cluster');
  if ('error' in match) return usage(`--match ${match.error}`);
  const finish = {
    match: match.value,
    signKeyFile: textOf(options, 'signKey'),
    encryptKeyFile: textOf(options, 'encryptKey'),
  };
  const agent = await runningAgent(place);
  const bundle = agent ? await finishBundle(await agent.exportCache(), finish) : await exportCache(place, finish);
  if (!bundle) throw new AgentError(`there is nothing in the cache of ${place.cacheDir}`);
  if (out === '-') process.stdout.write(bundle);
  else await writeFile(out, bundle, { mode: 0o600 });
  const summary = {
    out,
    bytes: bundle.length,
    isSigned: finish.signKeyFile !== undefined,
    isSealed: finish.encryptKeyFile !== undefined,
  };
  // The bundle itself may be on standard output.
  const say = out === '-' ? console.error : console.log;
  if (isJson(options)) say(JSON.stringify(summary));
  else
    say(
      `Wrote ${out} (${formatBytes(bundle.length)}), bound to ${match.value.map(field => `node.${field}`).join(', ')}. Secrets are not in it.`,
    );
  return exitCodes.ok;
}

/** `weir cache import`. */
export async function cacheImport(file: string, options: CacheOptions): Promise<number> {
  const place = placeOf(options);
  await refuseIfHeld(place, 'import');
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new AgentError(`cannot read the bundle ${file}`, { cause });
  });
  const resources = await importCache(place, bytes, textOf(options, 'verifyKey'));
  if (isJson(options)) console.log(JSON.stringify({ resources }));
  else console.log(`Resources imported: ${resources}.`);
  return exitCodes.ok;
}

/** `weir cache own`: gives the directory itself to a user; what is in it was made by whoever used it. */
export async function cacheOwn(options: CacheOptions): Promise<number> {
  const { cacheDir } = placeOf(options);
  const text = textOf(options, 'user') ?? '';
  const user = Number(text);
  if (!/^\d{1,10}$/.test(text)) return usage(`--user must be a number, such as 1337 (given: '${text}')`);
  const found = await lstat(cacheDir).catch((cause: unknown) => {
    throw new AgentError(`cannot look at ${cacheDir}`, { cause });
  });
  // A link of somebody else's must not lead root anywhere.
  if (!found.isDirectory()) throw new AgentError(`${cacheDir} is no directory`);
  await lchown(cacheDir, user, user).catch((cause: unknown) => {
    throw new AgentError(`cannot give ${cacheDir} to user ${user}; this needs root`, { cause });
  });
  if (isJson(options)) console.log(JSON.stringify({ cacheDir, user }));
  else console.log(`${cacheDir} belongs to user ${user}.`);
  return exitCodes.ok;
}

/** `weir cache purge`. */
export async function cachePurge(options: CacheOptions): Promise<number> {
  const place = placeOf(options);
  const agent = await runningAgent(place);
  if (agent && textOf(options, 'view') !== undefined) {
    return usage('--view is for the cache of an agent that does not run; a running one drops what it does not use');
  }
  const dropped = agent ? await agent.purgeCache() : await purgeCache(place, textOf(options, 'view'));
  if (isJson(options)) console.log(JSON.stringify({ dropped }));
  else console.log(`Nodes dropped from the cache: ${dropped}${agent ? ' (what the running agent uses stays)' : ''}.`);
  return exitCodes.ok;
}

function placeOf(options: CacheOptions): CachePlace {
  const output = options['output'];
  if (output !== 'text' && output !== 'json') {
    throw new AgentError(`--output must be text or json (given: '${String(output)}')`, { exitCode: exitCodes.usage });
  }
  const cacheDir = textOf(options, 'cacheDir') ?? process.env['WEIR_CACHE_DIR'];
  if (!cacheDir) {
    throw new AgentError('no cache is given: set --cache-dir DIR (WEIR_CACHE_DIR)', { exitCode: exitCodes.usage });
  }
  return {
    cacheDir,
    secretsKeyFile: textOf(options, 'secretsKeyFile') ?? (process.env['WEIR_SECRETS_KEY_FILE'] || undefined),
    secretsKey: process.env['WEIR_SECRETS_KEY'] || undefined,
  };
}

/** The agent that holds the cache, if one answers. */
async function runningAgent({ cacheDir }: CachePlace): Promise<AdminClient | undefined> {
  const path = adminSocketOf(cacheDir);
  return path !== undefined && (await isAnswered(path)) ? new AdminClient({ kind: 'unix', path }) : undefined;
}

async function refuseIfHeld(place: CachePlace, what: string): Promise<void> {
  if (!(await runningAgent(place))) return;
  throw new AgentError(`a running agent holds the cache in ${place.cacheDir}; stop it to ${what}`, {
    exitCode: exitCodes.cacheUnusable,
  });
}

function isJson(options: CacheOptions): boolean {
  return options['output'] === 'json';
}

function textOf(options: CacheOptions, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function usage(problem: string): number {
  console.error(`weir: ${problem}`);
  return exitCodes.usage;
}
