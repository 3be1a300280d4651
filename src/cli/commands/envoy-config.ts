import { exitCodes } from '../../agent/errors.ts';
import { nearest } from '../../xds/nearest.ts';
import { groupOf } from '../../xds/type-urls.ts';
import type { TypeUrl } from '../../xds/types.ts';
import { type AgentOptions, agentClient, noAgent } from '../agent-address.ts';
import { type EnvoyKind, envoyKinds, nameTable } from '../envoy-kinds.ts';
import { objectOf, referenceNotes, shownOf } from '../envoy-object.ts';
import { cell, type EnvoyTable, type Facet, type Filters, isChosen, some } from '../envoy-table.ts';
import {
  absences,
  compare,
  nodesOf,
  nothing,
  pagesOf,
  type Report,
  refusals,
  reportOf,
  type TypeReport,
  usage,
} from '../held-types.ts';
import { type Held, meshNotes, stateCells, stateHeading } from '../mesh-table.ts';
import { print, printAll } from '../output.ts';
import { tablePieces } from '../table.ts';
import { findTypes, labelsOf } from '../type-names.ts';
import { toYaml } from '../yaml-text.ts';

/** Options of `weir proxy-config clusters` and the like: where the agent is, what is shown of it, and in which form. */
export interface EnvoyConfigOptions extends AgentOptions, Filters {
  readonly output?: string | undefined;
  /** Id of a node, or the start of the key of its view. */
  readonly node?: string | undefined;
}

type Output = 'text' | 'json' | 'yaml';

/** One table, and what is asked for of it. */
interface Asked {
  readonly client: ReturnType<typeof agentClient>;
  /** `clusters` …, or what a type is called that has no word of its own. */
  readonly title: string;
  readonly table: EnvoyTable;
  /** Held types that it is made of, the main one first; a type of several nodes is there several times. */
  readonly types: readonly TypeReport[];
  /** What each view is called; undefined where there is one. */
  readonly nodes: ReadonlyMap<string, string> | undefined;
  readonly nowWallMs: number;
  readonly filters: Filters;
  readonly name: string | undefined;
  /** Without the admin socket names are all there is. */
  readonly hasContents: boolean;
}

/** Names told where one was not found. */
const toldMax = 5;

/**
 * `weir proxy-config clusters` and the like: what the agent holds for Envoy. A table; resources as Envoy's `/config_dump` shows them where one is
 * named or the form is JSON or YAML. Resolves to 1 when there is nothing of what was asked for.
 *
 * @param title of one of the kinds, or `all`
 */
export async function showEnvoy(title: string, name: string | undefined, options: EnvoyConfigOptions): Promise<number> {
  const start = await begin(options);
  if (typeof start === 'number') return start;
  const { types, output } = start;
  const kinds = title === 'all' ? envoyKinds : envoyKinds.filter(kind => kind.title === title);
  const known = new Set(envoyKinds.flatMap(kind => kind.shortNames));
  const tables: Asked[] = [];
  for (const kind of kinds) {
    const ofKind = typesOf(kind, types);
    if (ofKind.length > 0) tables.push(asked(start, kind.title, kind.table, ofKind, name));
  }
  if (title === 'all') {
    const labels = labelsOf(types);
    for (const [typeUrl, label] of labels) {
      const ofType = types.filter(type => type.typeUrl === typeUrl);
      const isListed = ofType.some(type => known.has(type.shortName) || groupOf(typeUrl as TypeUrl) === 'mcp'); // An agent has no other.
      if (!isListed) tables.push(asked(start, label, nameTable, ofType, name));
    }
  }
  if (tables.length === 0) {
    const what = title === 'all' ? 'anything of Envoy’s' : `${title} (${kinds[0]?.shortNames[0] ?? title})`;
    return nothing(`no client asks this agent for ${what}, and nothing of it is kept; ${thereIs(types)}`);
  }
  return show(tables, output);
}

/** `weir proxy-config TYPE`: any type, by its URL, short name, message or plural. Istio's mesh configuration is shown as `proxy-config mcp` does. */
export async function showType(
  type: string | undefined,
  name: string | undefined,
  options: EnvoyConfigOptions,
): Promise<number> {
  if (type === undefined) {
    return usage(`say of what: ${envoyKinds.map(kind => kind.title).join(', ')}, mcp, all, or a type (see --help)`);
  }
  const start = await begin(options);
  if (typeof start === 'number') return start;
  const { types, output } = start;
  const found = findTypes(type, types);
  if ('error' in found) return nothing(`${found.error}. A type is held once a client asks this agent for it`);
  const ofType = types.filter(one => found.typeUrls.includes(one.typeUrl));
  const [first] = ofType;
  if (first && groupOf(first.typeUrl as TypeUrl) === 'mcp') {
    return (await import('./proxy-config.ts')).showMesh(type, name, options);
  }
  const kind = envoyKinds.find(one => one.shortNames[0] === first?.shortName);
  const title = labelsOf(types).get(first?.typeUrl ?? '') ?? type;
  const table = kind ? asked(start, kind.title, kind.table, typesOf(kind, types), name) : undefined;
  return show([table ?? asked(start, title, nameTable, ofType, name)], output);
}

/** All that the commands have in common before they differ. */
interface Start {
  readonly client: ReturnType<typeof agentClient>;
  readonly report: Report;
  /** Of the node that was asked for. */
  readonly types: readonly TypeReport[];
  readonly output: Output;
  readonly filters: Filters;
  readonly hasContents: boolean;
}

async function begin(options: EnvoyConfigOptions): Promise<Start | number> {
  const { output, node, fqdn, port, subset, direction, address, type, name, cluster, status } = options;
  if (output !== 'text' && output !== 'json' && output !== 'yaml') {
    return usage(`--output must be text, json or yaml (given: '${String(output)}')`);
  }
  const client = agentClient(options);
  const report = await reportOf(client);
  const nodes = nodesOf(report, report.types);
  const isOfNode = ({ viewKey }: TypeReport): boolean => {
    if (node === undefined || viewKey.startsWith(node)) return true;
    return report.clients.some(one => one.viewKey === viewKey && one.nodeId === node);
  };
  const types = report.types.filter(isOfNode);
  if (types.length === 0 && report.types.length > 0) {
    const there = nodes ? [...nodes.values()] : report.clients.map(one => one.nodeId);
    return nothing(`there is no node '${node}' (--node); there is: ${[...new Set(there)].join(', ') || 'none'}`);
  }
  const hasContents = output !== 'text' || (await canShowContents(client, types[0]));
  const filters = { fqdn, port, subset, direction, address, type, name, cluster, status };
  return { client, report, types, output, filters, hasContents };
}

/** Whether the agent hands out contents where it was reached; says so where it does not. */
async function canShowContents(client: Start['client'], type: TypeReport | undefined): Promise<boolean> {
  if (!type) return true;
  const { AdminRefusal } = await import('../../admin/client.ts');
  try {
    const none = client.resources({ typeUrl: type.typeUrl, names: [''], hasClients: false, hasBodies: true });
    await none.next();
    await none.return(undefined);
    return true;
  } catch (error) {
    if (!(error instanceof AdminRefusal) || error.statusCode !== 403) throw noAgent(error);
    const way = 'name it with --cache-dir DIR or --admin unix:/path';
    console.error(
      `weir: contents are shown on the agent’s admin socket only, so their columns are empty or left out; ${way}`,
    );
    return false;
  }
}

function typesOf({ shortNames }: EnvoyKind, types: readonly TypeReport[]): TypeReport[] {
  return shortNames.flatMap(shortName => types.filter(type => type.shortName === shortName));
}

function asked(
  { client, report, types: all, filters, hasContents }: Start,
  title: string,
  table: EnvoyTable,
  types: readonly TypeReport[],
  name: string | undefined,
): Asked {
  const { nowWallMs } = report;
  return { client, title, table, types, nodes: nodesOf(report, all), nowWallMs, filters, name, hasContents };
}

async function show(tables: readonly Asked[], output: Output): Promise<number> {
  if (output !== 'text' || tables.some(({ name }) => name !== undefined)) return showWhole(tables, output);
  let told = 0;
  for (const table of tables) if (await showTable(table, told > 0)) told++;
  const [first] = tables;
  if (told === 0 && first) return nothing(await whatThereIs(tables));
  const isFiltered = tables.some(table => isSet(table.filters));
  if (!isFiltered) await print(absences(tables.flatMap(ownTypes), ({ shortName }) => shortName));
  return exitCodes.ok;
}

const isSet = (filters: Filters): boolean => Object.values(filters).some(value => value !== undefined);

/** Types that a table is about; the others it only looks into. */
function ownTypes({ types }: Asked): TypeReport[] {
  return types.filter(type => type.shortName === types[0]?.shortName);
}

/** @returns whether there was anything to tell */
async function showTable(one: Asked, hasBefore: boolean): Promise<boolean> {
  const { types, nodes, nowWallMs, hasContents, filters } = one;
  const table = hasContents || one.table.isReadableByName ? one.table : nameTable;
  const rows: { readonly cells: readonly string[]; readonly sortKey: string }[] = [];
  const withheld: string[] = [];
  for (const type of types) {
    const node = nodes ? [nodes.get(type.viewKey) ?? type.viewKey] : [];
    for await (const row of held(one, type, { hasBodies: hasContents })) {
      const state = stateCells(row, nowWallMs);
      if (row.withheld !== undefined && type.shortName !== 'SDS') withheld.push(`${row.name} (${row.withheld})`);
      if (row.quarantine) state[2] = `${state[2]}, REFUSED`;
      for (const made of table.rowsOf(shownOf(row))) {
        if (!isChosen(made, filters)) continue;
        rows.push({ cells: [...node, ...made.cells, ...state], sortKey: [...node, made.sortKey].join(' ') });
      }
    }
  }
  if (rows.length === 0) return false;
  rows.sort((a, b) => compare(a.sortKey, b.sortKey));
  if (hasBefore) await print('\n');
  const heading = [...(nodes ? ['NODE'] : []), ...table.heading, ...stateHeading];
  await printAll(tablePieces([heading, ...rows.map(row => row.cells)]));
  await print(refusals(ownTypes(one), ({ shortName }) => shortName));
  if (withheld.length > 0) await print(`\nNOT SHOWN: ${cell(some(withheld, toldMax))}\n`);
  return true;
}

/** The resources themselves: of one name as it is, of many as a list or as documents. */
async function showWhole(tables: readonly Asked[], output: Output): Promise<number> {
  const isNamed = tables.every(({ name }) => name !== undefined);
  const named: object[] = [];
  let told = 0;
  for await (const [row, nowWallMs] of wholeOf(tables, output === 'text')) {
    const object = objectOf(row);
    told++;
    if (output === 'json' && isNamed) named.push(object);
    else if (output === 'json') await print(`${told === 1 ? '[' : ','}\n${JSON.stringify(object, undefined, 2)}`);
    else {
      const notes = output === 'text' ? [...meshNotes(row, nowWallMs), ...referenceNotes(row)] : [];
      const comments = notes.map(line => `# ${line}\n`).join('');
      await print(`${told === 1 ? '' : '---\n'}${comments}${await toYaml(object)}`);
    }
  }
  if (told === 0) return nothing(await whatThereIs(tables));
  if (output === 'json') {
    const [first, ...others] = named;
    await print(isNamed ? `${JSON.stringify(others.length > 0 ? named : first, undefined, 2)}\n` : '\n]\n');
  }
  return exitCodes.ok;
}

/** Resources with their contents. Names first, since they are told in order, and then page by page, so that few bodies are in memory at a time. */
async function* wholeOf(
  tables: readonly Asked[],
  hasClients: boolean,
): AsyncGenerator<readonly [row: Held, nowWallMs: number]> {
  // Clusters are looked into for endpoints, too.
  const told = new Set<TypeReport>();
  for (const one of tables) {
    for (const type of tables.length > 1 ? ownTypes(one) : one.types) {
      if (told.has(type)) continue;
      told.add(type);
      for (const page of pagesOf(await namesOf(one, type))) {
        for await (const row of held(one, type, { names: page, hasBodies: true, hasClients })) {
          if (one.table.rowsOf(shownOf(row)).some(made => isChosen(made, one.filters))) yield [row, one.nowWallMs];
        }
      }
    }
  }
}

async function namesOf(one: Asked, type: TypeReport): Promise<readonly string[]> {
  if (one.name !== undefined) return [one.name];
  const names: string[] = [];
  for await (const row of held(one, type)) names.push(row.name);
  return names.sort(compare);
}

/** What the agent tells of one type. */
async function* held(
  { client }: Asked,
  { typeUrl, viewKey }: TypeReport,
  more: { readonly names?: readonly string[]; readonly hasBodies?: boolean; readonly hasClients?: boolean } = {},
): AsyncGenerator<Held> {
  const { names, hasBodies = false, hasClients = false } = more;
  try {
    yield* client.resources({ typeUrl, viewKey, names, hasBodies, hasClients });
  } catch (error) {
    throw noAgent(error);
  }
}

/** Says what there is where nothing of what was asked for is. */
async function whatThereIs(tables: readonly Asked[]): Promise<string> {
  const names = new Set<string>();
  const values = new Map<Facet, Set<string>>();
  for (const one of tables) {
    for (const type of tables.length > 1 ? ownTypes(one) : one.types) {
      for await (const row of held(one, type, { hasBodies: one.hasContents && isSet(one.filters) })) {
        for (const { facets } of one.table.rowsOf(shownOf(row))) {
          names.add(row.name);
          for (const facet of Object.keys(facets) as Facet[]) {
            // Its keys are these.
            for (const value of facets[facet] ?? []) values.set(facet, (values.get(facet) ?? new Set()).add(value));
          }
        }
      }
    }
  }
  const [{ title, types, name, filters } = { title: '', types: [], name: undefined, filters: {} }] = tables;
  const what = tables.length > 1 ? 'resource' : title;
  if (names.size === 0) {
    const isAnswered = types.some(one => one.state === 'known');
    return isAnswered ? `there are no ${what}` : `there are no ${what}: the control plane has not answered yet`;
  }
  if (name !== undefined) return `there is no '${name}' among the ${names.size} ${what}${hint(name, names)}`;
  const said = Object.entries(filters).filter(([, wanted]) => wanted !== undefined);
  const wrong = said.find(([facet, wanted]) => !hasValue(values.get(facet as Facet), wanted ?? '')) ?? said[0];
  if (!wrong) return `there are no ${what}`;
  const [facet, wanted = ''] = wrong;
  const all = said.map(([one, value]) => `--${one} ${value}`).join(' ');
  return `none of the ${names.size} ${what} is of ${all}${hint(wanted, values.get(facet as Facet) ?? new Set())}`;
}

function hasValue(values: ReadonlySet<string> | undefined, wanted: string): boolean {
  return [...(values ?? [])].some(value => value.toLowerCase() === wanted.toLowerCase());
}

/** The nearest of what there is, or some of it. */
function hint(wanted: string, there: ReadonlySet<string>): string {
  const near = nearest(wanted, there);
  if (near !== undefined && near !== wanted) return `; did you mean '${near}'?`;
  const all = [...there].filter(one => one !== '').sort(compare);
  return all.length === 0 ? '' : `; there is: ${some(all, toldMax)}`;
}

function thereIs(types: readonly TypeReport[]): string {
  return `there is: ${[...new Set(labelsOf(types).values())].sort(compare).join(', ') || 'nothing'}`;
}
