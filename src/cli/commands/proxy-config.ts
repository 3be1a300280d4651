import { exitCodes } from '../../agent/errors.ts';
import { nearest } from '../../xds/nearest.ts';
import { groupOf } from '../../xds/type-urls.ts';
import type { TypeUrl } from '../../xds/types.ts';
import { type AgentOptions, agentClient, noAgent } from '../agent-address.ts';
import {
  absences,
  compare,
  nodesOf,
  nothing,
  pagesOf,
  refusals,
  reportOf,
  type TypeReport,
  usage,
} from '../held-types.ts';
import { type Held, meshCells, meshHeading, meshNotes } from '../mesh-table.ts';
import { jsonArray, print, printAll } from '../output.ts';
import { tablePieces } from '../table.ts';
import { findTypes, labelsOf } from '../type-names.ts';

/** Options of `weir proxy-config`. */
export interface ProxyConfigOptions extends AgentOptions {
  readonly namespace?: string | undefined;
  readonly output?: string | undefined;
}

/** What is asked for, with all that is needed to tell of it. */
interface Asked {
  readonly client: ReturnType<typeof agentClient>;
  /** In the order in which they are told; a type of several nodes is there several times. */
  readonly types: readonly TypeReport[];
  readonly labels: ReadonlyMap<string, string>;
  /** What each view is called; undefined where there is one. */
  readonly nodes: ReadonlyMap<string, string> | undefined;
  readonly nowWallMs: number;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** Names told where one was not found. */
const toldMax = 10;

/**
 * `weir proxy-config mcp`: what the agent holds of Istio's mesh configuration. A table; the resources themselves where one is named or the form is
 * YAML, or where a type is named and the form is JSON. Resolves to 1 when there is nothing of what was asked for.
 */
export async function showMesh(
  type: string | undefined,
  name: string | undefined,
  options: ProxyConfigOptions,
): Promise<number> {
  const { output, namespace } = options;
  if (output !== 'text' && output !== 'json' && output !== 'yaml') {
    return usage(`--output must be text, json or yaml (given: '${String(output)}')`);
  }
  if (name?.includes('/') && namespace !== undefined && !name.startsWith(`${namespace}/`)) {
    return usage(`'${name}' is of another namespace than '${namespace}' (--namespace)`);
  }
  const client = agentClient(options);
  const report = await reportOf(client);
  const all = report.types.filter(one => groupOf(one.typeUrl as TypeUrl) === 'mcp'); // An agent has no other.
  if (all.length === 0) {
    return nothing('no client asks this agent for mesh configuration (MCP), and nothing of it is kept');
  }
  const found = type === undefined ? undefined : findTypes(type, all);
  if (found && 'error' in found) return nothing(`${found.error}. A type is held once a client asks this agent for it`);
  const labels = labelsOf(all);
  const label = (one: TypeReport): string => labels.get(one.typeUrl) ?? one.typeUrl;
  const types = all
    .filter(one => !found || found.typeUrls.includes(one.typeUrl))
    .toSorted((a, b) => compare(label(a), label(b)));
  const asked = { client, types, labels, nodes: nodesOf(report, all), nowWallMs: report.nowWallMs, namespace, name };
  if (name !== undefined || output === 'yaml' || (output === 'json' && type !== undefined)) {
    return showWhole(asked, output);
  }
  return output === 'json' ? showJson(asked) : showTable(asked);
}

/** The resources themselves. Names first, since they are told in order, and then page by page, so that few bodies are in memory at a time. */
async function showWhole(asked: Asked, output: 'text' | 'json' | 'yaml'): Promise<number> {
  const { types, name, nowWallMs } = asked;
  // The description of all of Istio's messages is only needed here.
  const { meshObject, meshYaml } = await import('../mesh-object.ts');
  const named: (readonly [TypeReport, readonly string[]])[] = [];
  for (const type of types) named.push([type, await namesOf(asked, type)]);
  const count = named.reduce((sum, [, names]) => sum + names.length, 0);
  if (count === 0) return nothing(await whatThereIs(asked));
  const isAlone = name !== undefined && count === 1;
  let told = 0;
  const hasClients = output === 'text';
  if (output === 'json' && !isAlone) await print('{"apiVersion": "v1", "kind": "List", "items": [');
  for (const [type, names] of named) {
    for (const page of pagesOf(names)) {
      const pieces: string[] = [];
      for await (const row of held(asked, type, { names: page, hasBodies: true, hasClients })) {
        if (output === 'json') {
          const text = JSON.stringify(meshObject(row), undefined, 2);
          pieces.push(isAlone ? `${text}\n` : `${told === 0 ? '' : ','}\n${text}`);
        } else {
          const notes = output === 'text' ? meshNotes(row, nowWallMs) : [];
          pieces.push(`${told === 0 ? '' : '---\n'}${await meshYaml(row, notes)}`);
        }
        told++;
      }
      await print(pieces.join(''));
    }
  }
  if (output === 'json' && !isAlone) await print('\n]}\n');
  return told > 0 ? exitCodes.ok : nothing(await whatThereIs(asked));
}

/** Everything as JSON, without bodies and with each client's word. */
async function showJson(asked: Asked): Promise<number> {
  let count = 0;
  const rows = async function* () {
    for (const type of asked.types) {
      for await (const row of held(asked, type, { hasClients: true })) {
        count++;
        yield { type: asked.labels.get(row.typeUrl), ...row };
      }
    }
  };
  await printAll(jsonArray(rows()));
  return count > 0 ? exitCodes.ok : nothing(await whatThereIs(asked));
}

async function showTable(asked: Asked): Promise<number> {
  const { types, labels, nodes, nowWallMs } = asked;
  const rows: string[][] = [];
  for (const type of types) {
    const label = labels.get(type.typeUrl) ?? type.typeUrl;
    const own: (readonly [name: string, cells: string[]])[] = [];
    for await (const row of held(asked, type)) own.push([row.name, meshCells(row, label, nowWallMs)]);
    const node = nodes ? [nodes.get(type.viewKey) ?? type.viewKey] : [];
    for (const [, cells] of own.sort(([a], [b]) => compare(a, b))) rows.push([...node, ...cells]);
  }
  if (rows.length === 0) return nothing(await whatThereIs(asked));
  await printAll(tablePieces([[...(nodes ? ['NODE'] : []), ...meshHeading], ...rows]));
  await print(remarks(asked));
  return exitCodes.ok;
}

/** What no row says: what is refused, what there is none of, and what was never answered. */
function remarks({ types, labels, namespace }: Asked): string {
  const label = ({ typeUrl }: TypeReport): string => labels.get(typeUrl) ?? typeUrl;
  return refusals(types, label) + (namespace === undefined ? absences(types, label) : '');
}

/** What the agent tells of one type. */
async function* held(
  { client, namespace, name }: Asked,
  { typeUrl, viewKey }: TypeReport,
  more: { readonly names?: readonly string[]; readonly hasBodies?: boolean; readonly hasClients?: boolean } = {},
): AsyncGenerator<Held> {
  const { names = exact(namespace, name), hasBodies = false, hasClients = false } = more;
  try {
    yield* client.resources({ typeUrl, viewKey, namespace, names, hasBodies, hasClients });
  } catch (error) {
    throw noAgent(error);
  }
}

/** The whole name, as far as it was given. */
function exact(namespace: string | undefined, name: string | undefined): string[] | undefined {
  if (name === undefined) return undefined;
  if (name.includes('/')) return [name];
  return namespace === undefined ? undefined : [`${namespace}/${name}`];
}

/** Names of a type that were asked for, in order. */
async function namesOf(asked: Asked, type: TypeReport): Promise<string[]> {
  const { name } = asked;
  const names: string[] = [];
  for await (const row of held(asked, type)) {
    const isMeant = name === undefined || row.name === name || row.name.endsWith(`/${name}`);
    if (isMeant || exact(asked.namespace, name)) names.push(row.name);
  }
  return names.sort(compare);
}

/** Says what there is where nothing of what was asked for is. */
async function whatThereIs(asked: Asked): Promise<string> {
  const { types, labels, namespace, name } = asked;
  const label = [...new Set(types.map(one => labels.get(one.typeUrl) ?? one.typeUrl))].join(', ');
  const names = new Set<string>();
  for (const type of types) {
    for await (const row of held({ ...asked, namespace: undefined, name: undefined }, type)) names.add(row.name);
  }
  if (names.size === 0) {
    const isAnswered = types.every(one => one.state === 'known');
    return isAnswered ? `there is no ${label}` : `there is no ${label}: the control plane has not answered for it yet`;
  }
  const some = [...names]
    .slice(0, toldMax)
    .map(one => one || '(one without a name)')
    .join(', ');
  const there = `there ${names.size === 1 ? 'is' : 'are'}: ${some}${names.size > toldMax ? ` and ${names.size - toldMax} more` : ''}`;
  if (name === undefined) return `there is no ${label} in the namespace '${namespace ?? ''}'; ${there}`;
  const [whole = name] = exact(namespace, name) ?? [];
  const bare = new Map([...names].map(one => [whole.includes('/') ? one : one.slice(one.indexOf('/') + 1), one]));
  const near = nearest(whole, bare.keys());
  const hint = near === undefined ? there : `did you mean '${bare.get(near) ?? near}'?`;
  return `there is no ${label} '${whole}'; ${hint}`;
}
