import type { AdminClient } from '../admin/client.ts';
import { exitCodes } from '../agent/errors.ts';
import { answered } from './agent-address.ts';
import { formatTable } from './table.ts';

/** The agent at one moment. */
export type Report = Awaited<ReturnType<AdminClient['report']>>;

/** A type of one view in it. */
export type TypeReport = Report['types'][number];

/** Names asked for at a time with their bodies, and the length of a request line that names them. */
const pageNamesMax = 64;
const pageCharactersMax = 8_000;

/** Asks the agent how it stands. @throws AgentError when it does not answer */
export async function reportOf(client: AdminClient): Promise<Report> {
  return answered(client.report());
}

/** What the nodes of several views are called, which are told apart by it. */
export function nodesOf({ clients }: Report, types: readonly TypeReport[]): Map<string, string> | undefined {
  const keys = new Set(types.map(type => type.viewKey));
  if (keys.size < 2) return undefined;
  const nodeOf = (key: string): string | undefined => clients.find(one => one.viewKey === key)?.nodeId;
  return new Map([...keys].map(key => [key, nodeOf(key) || key.slice(0, 8)]));
}

/** What is refused of some types, as a table; empty where nothing is. @param label what a type is called */
export function refusals(types: readonly TypeReport[], label: (type: TypeReport) => string): string {
  const refused = types.flatMap(type => type.quarantined.map(one => [label(type), one.name, one.served, one.words]));
  if (refused.length === 0) return '';
  const cells = refused.map(row => row.map(text => text.replace(/[\s\p{Cc}]+/gu, ' ')));
  return `\n${formatTable([['QUARANTINE', 'RESOURCE', 'SERVED INSTEAD', 'WORDS'], ...cells])}`;
}

/** Types of which there is nothing, and those that were never answered, a line each; empty where there are none. */
export function absences(types: readonly TypeReport[], label: (type: TypeReport) => string): string {
  let text = '';
  const lists = [
    ['EMPTY', types.filter(one => one.resources === 0 && one.state === 'known')],
    ['NOT ANSWERED by the control plane yet', types.filter(one => one.resources === 0 && one.state === 'unknown')],
  ] as const;
  for (const [what, ones] of lists) {
    if (ones.length > 0) text += `\n${what}: ${[...new Set(ones.map(label))].join(', ')}\n`;
  }
  return text;
}

/** Names in groups that one request can name. */
export function* pagesOf(names: readonly string[]): Generator<string[]> {
  let page: string[] = [];
  let characters = 0;
  for (const name of names) {
    const length = encodeURIComponent(name).length;
    if (page.length > 0 && (page.length === pageNamesMax || characters + length > pageCharactersMax)) {
      yield page;
      page = [];
      characters = 0;
    }
    page.push(name);
    characters += length;
  }
  if (page.length > 0) yield page;
}

/** By code units, for `sort`. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Says that there is nothing of what was asked for. @returns the exit code */
export function nothing(problem: string): number {
  console.error(`weir: ${problem}`);
  return exitCodes.failed;
}

/** Says what is wrong with the command. @returns the exit code */
export function usage(problem: string): number {
  console.error(`weir: ${problem}`);
  return exitCodes.usage;
}
