import { type AdminClient, AdminRefusal, readJson } from '../../admin/client.ts';
import { countOf } from '../../admin/words.ts';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { parseAddress } from '../../xds/address.ts';
import { type AgentOptions, agentClient, noAgent } from '../agent-address.ts';
import type { AgentReport, ShownResource, TypeReport } from '../agent-report.ts';
import { clientDifferences, type Difference, diskDifferences, upstreamDifferences } from '../difference.ts';
import { type EnvoyDump, type ExpectedResource, envoyDifferences, readEnvoyDump } from '../envoy-dump.ts';
import { isJson, print } from '../output.ts';
import { plain } from '../plain.ts';
import { formatTable } from '../table.ts';
import { typeUrlAsked } from '../type-names.ts';

/** Options of `weir diff`. */
export interface DiffOptions extends AgentOptions {
  readonly envoy?: string | undefined;
  readonly output: string;
}

/** Differences shown as text; of more their number is told. */
const shownMax = 200;
/** Largest dump of an Envoy that is read, in bytes. */
const dumpBytesMax = 512 * 1024 * 1024;

/** `weir diff`: what differs between what is held, what clients took, what is on disk, and what an Envoy runs. Resolves to 1 when something does. */
export async function diff(type: string | undefined, options: DiffOptions): Promise<number> {
  const asJson = isJson(options.output);
  const client = agentClient(options);
  const told = <T>(answer: Promise<T>): Promise<T> =>
    answer.catch((error: unknown) => {
      throw error instanceof AgentError ? error : noAgent(error);
    });
  const report = await told(client.report());
  const typeUrl = type === undefined ? undefined : typeUrlAsked(type, report.types);
  const types = report.types.filter(one => typeUrl === undefined || one.typeUrl === typeUrl);
  const envoy = options.envoy === undefined ? undefined : await readEnvoy(options.envoy, report);
  const differences: Difference[] = [];
  let resources = 0;
  let areContentsRead = true;
  for (const one of types) {
    const rows = await told(rowsOf(client, one));
    resources += rows.length;
    differences.push(...upstreamDifferences(one, rows), ...clientDifferences(one, rows));
    if (report.cache) differences.push(...diskDifferences(one, rows, await told(diskRows(client, one))));
    if (!envoy) continue;
    const expected = await told(expectedOf(client, one, rows, envoy));
    areContentsRead &&= expected.areContentsRead;
    differences.push(...envoyDifferences(one, expected.resources, envoy));
  }
  const places = [
    `${countOf(report.clients.length, 'client')}`,
    report.cache ? 'disk' : '',
    envoy ? `Envoy ${envoy.nodeId}` : '',
  ];
  const compared = `${countOf(resources, 'resource')} of ${countOf(types.length, 'type')} with ${places.filter(Boolean).join(', ')}`;
  if (asJson)
    await print(`${JSON.stringify({ compared: { resources, types: types.length }, differences }, undefined, 2)}\n`);
  else await print(text(differences, compared, report, !areContentsRead));
  return differences.length > 0 ? exitCodes.failed : exitCodes.ok;
}

function text(
  differences: readonly Difference[],
  compared: string,
  { types, cache }: AgentReport,
  isShallow: boolean,
): string {
  const lines: string[] = [];
  if (differences.length > 0) {
    const rows = plain(differences.slice(0, shownMax)).map(one => [one.shortName, one.name, one.where, one.what]);
    lines.push(formatTable([['TYPE', 'NAME', 'WHERE', 'DIFFERENCE'], ...rows]));
    const more = differences.length - rows.length;
    if (more > 0) lines.push(`and ${more} more: weir diff -o json\n`);
  }
  lines.push(
    `${differences.length === 0 ? 'No difference' : countOf(differences.length, 'difference')}: compared ${compared}.\n`,
  );
  const unconfirmed = types.filter(type => type.source !== 'none' && !type.isCurrent).map(type => type.shortName);
  if (unconfirmed.length > 0) {
    lines.push(
      `What the control plane has now is not known of ${unconfirmed.join(', ')}: held is what it sent last (weir status).\n`,
    );
  }
  if (!cache) lines.push('There is no disk cache to compare with (setting cacheDir).\n');
  if (isShallow)
    lines.push('Contents in Envoy were not compared: they are given out on the admin socket only (--cache-dir DIR).\n');
  return lines.join('');
}

async function rowsOf(client: AdminClient, { typeUrl, viewKey }: TypeReport): Promise<ShownResource[]> {
  const rows: ShownResource[] = [];
  for await (const row of client.resources({ typeUrl, viewKey, hasClients: true, hasBodies: false })) rows.push(row);
  return rows;
}

async function diskRows(client: AdminClient, { typeUrl, viewKey }: TypeReport) {
  const rows: Parameters<typeof diskDifferences>[2][number][] = [];
  for await (const row of client.cachedResources(typeUrl, viewKey)) rows.push(row);
  return rows;
}

/** @throws AgentError when there is no Envoy, or it is no client of the agent */
async function readEnvoy(text: string, { clients }: AgentReport): Promise<EnvoyDump> {
  const address = parseAddress(text);
  if ('error' in address) throw new AgentError(`--envoy ${address.error}`, { exitCode: exitCodes.usage });
  const json = await readJson(address, '/config_dump?include_eds', dumpBytesMax).catch((cause: unknown) => {
    throw new AgentError(`cannot read what Envoy runs from its admin address ${text} (--envoy)`, { cause });
  });
  const dump = readEnvoyDump(json);
  if ('error' in dump) throw new AgentError(`cannot read what Envoy runs from ${text} (--envoy): ${dump.error}`);
  if (clients.some(client => client.nodeId === dump.nodeId)) return dump;
  const there = [...new Set(clients.map(client => client.nodeId))].slice(0, 5).join(', ') || 'none';
  throw new AgentError(
    `the Envoy at ${text} is node '${dump.nodeId}', which is no client of this agent; there is: ${there}`,
  );
}

/** What the Envoy was given of a type, with contents where they may be read. */
async function expectedOf(
  client: AdminClient,
  { typeUrl, viewKey }: TypeReport,
  rows: readonly ShownResource[],
  { nodeId }: EnvoyDump,
): Promise<{ readonly resources: ExpectedResource[]; readonly areContentsRead: boolean }> {
  const its = rows.filter(row => row.clients?.some(one => one.nodeId === nodeId));
  const names = new Set(its.map(row => row.name));
  const given = its.map(({ name, version }) => ({ name, version: version || undefined, content: undefined }));
  // The description of all of Envoy's messages is only needed here.
  const { decodeEnvoyResource } = await import('../../envoy/resource.ts');
  const resources: ExpectedResource[] = [];
  try {
    for await (const row of client.resources({ typeUrl, viewKey, hasClients: false, hasBodies: true })) {
      if (!names.has(row.name)) continue;
      const content =
        row.body === undefined ? undefined : decodeEnvoyResource(typeUrl, Buffer.from(row.body, 'base64'));
      resources.push({ name: row.name, version: row.version || undefined, content });
    }
    return { resources, areContentsRead: true };
  } catch (error) {
    if (error instanceof AdminRefusal && error.statusCode === 403) return { resources: given, areContentsRead: false };
    throw error;
  }
}
