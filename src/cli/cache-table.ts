import type { AdminClient } from '../admin/client.ts';
import { formatAge } from '../admin/words.ts';
import { exitCodes } from '../agent/errors.ts';
import { nearest } from '../xds/nearest.ts';
import { sinceOf } from './mesh-table.ts';
import { jsonArray, print, printAll } from './output.ts';
import { formatBytes, formatTable, tablePieces } from './table.ts';
import { findTypes, labelsOf } from './type-names.ts';

type View = Awaited<ReturnType<AdminClient['listCache']>>[number];
type Row = ReturnType<AdminClient['cachedResources']> extends AsyncGenerator<infer One> ? One : never;

/** What is on disk, by node and type. */
export function renderViews(views: readonly View[], nowWallMs: number): string {
  const labels = labelsOf(views.flatMap(view => view.types));
  const rows = views.flatMap(view =>
    view.types.map(type => [
      view.viewKey.slice(0, 8),
      view.nodeId,
      labels.get(type.typeUrl) ?? type.shortName,
      type.isKnown ? 'whole set' : 'by name',
      String(type.resources),
      formatBytes(type.bytes),
      type.confirmedWallMs === 0 ? 'never' : formatAge(Math.max(0, nowWallMs - type.confirmedWallMs)),
      leftUntil(type.endsWallMs, nowWallMs),
      String(type.quarantined),
      String(type.withheld),
      String(type.sealed),
    ]),
  );
  if (rows.length === 0) return 'The cache is empty.\n';
  const heading = [
    'VIEW',
    'NODE',
    'TYPE',
    'STATE',
    'RESOURCES',
    'SIZE',
    'CURRENT AS OF',
    'FIRST TTL LEFT',
    'QUARANTINED',
    'WITHHELD',
    'SEALED',
  ];
  return formatTable([heading, ...rows]);
}

/** What a running agent keeps in memory though nobody subscribes it, and for how long at most. */
export function renderIdle(
  views: readonly View[],
  nodes: { readonly count: number; readonly keptMs: number },
  nowWallMs: number,
): string {
  const labels = labelsOf(views.flatMap(view => view.types));
  const counts = new Map<string, number>();
  let untilWallMs = 0;
  let isKeptOn = false;
  for (const { typeUrl, idle } of views.flatMap(view => view.types)) {
    if (!idle || idle.resources === 0) continue;
    const label = labels.get(typeUrl) ?? typeUrl;
    counts.set(label, (counts.get(label) ?? 0) + idle.resources);
    if (idle.untilWallMs === undefined) isKeptOn = true;
    else untilWallMs = Math.max(untilWallMs, idle.untilWallMs);
  }
  const lines: string[] = [];
  if (counts.size > 0) {
    const what = [...counts].map(([label, count]) => `${count} ${label}`).join(', ');
    const until = isKeptOn
      ? 'until the control plane is back or their node is dropped'
      : `for ${formatAge(Math.max(0, untilWallMs - nowWallMs))} at most`;
    lines.push(`In memory though nobody subscribes them: ${what}; kept ${until}.`);
  } else lines.push('Nothing is in memory that nobody subscribes.');
  if (nodes.count > 0) {
    const age = formatAge(nodes.keptMs);
    lines.push(`In memory without a client: ${nodes.count} nodes, each for ${age} at most after its last client left.`);
  }
  return `\n${lines.join('\n')}\n`;
}

/**
 * Lists what is on disk resource by resource.
 *
 * @param rows gives the rows of a type
 * @param wanted a type by what it is called; all without it
 * @param name of one resource; all without it
 * @returns the exit code: 1 when there is nothing of what was asked for
 */
export async function listResources(
  views: readonly View[],
  rows: (typeUrl: string) => AsyncIterable<Row> | Promise<readonly Row[]>,
  wanted: string | undefined,
  name: string | undefined,
  isJson: boolean,
): Promise<number> {
  const types = views.flatMap(view => view.types);
  const found = wanted === undefined ? { typeUrls: types.map(type => type.typeUrl) } : findTypes(wanted, types);
  if ('error' in found) return nothing(found.error);
  const labels = labelsOf(types);
  const label = (typeUrl: string): string => labels.get(typeUrl) ?? typeUrl;
  const typeUrls = [...new Set(found.typeUrls)].sort((a, b) => (label(a) < label(b) ? -1 : 1));
  const seen = new Set<string>();
  let told = 0;
  const all = async function* () {
    for (const typeUrl of typeUrls) {
      for await (const row of await rows(typeUrl)) {
        seen.add(row.name);
        if (name !== undefined && row.name !== name) continue;
        told++;
        yield { type: label(typeUrl), ...row };
      }
    }
  };
  if (isJson) await printAll(jsonArray(all()));
  else {
    const nodes = views.length > 1 ? new Map(views.map(view => [view.viewKey, view.nodeId])) : undefined;
    const cells: string[][] = [];
    const nowWallMs = Date.now();
    let isDamaged = false;
    for await (const row of all()) {
      if (row.state === 'damaged') isDamaged = true;
      else cells.push([...(nodes ? [nodes.get(row.viewKey) ?? ''] : []), ...cellsOf(row, nowWallMs)]);
    }
    if (cells.length > 0) await printAll(tablePieces([[...(nodes ? ['NODE'] : []), ...heading], ...cells]));
    if (isDamaged) await print('\nSome rows are damaged: weir cache verify says of which types.\n');
  }
  if (told > 0) return exitCodes.ok;
  const what = typeUrls.map(label).join(', ');
  const near = name === undefined ? undefined : nearest(name, seen);
  return nothing(
    `there is no ${what || 'resource'}${name === undefined ? '' : ` '${name}'`} on disk${near === undefined ? '' : `; did you mean '${near}'?`}`,
  );
}

const heading: readonly string[] = ['TYPE', 'NAME', 'VERSION', 'AGE', 'LAST CHANGE', 'TTL LEFT', 'BYTES', 'TRUST'];

function cellsOf(row: Row & { readonly type: string }, nowWallMs: number): string[] {
  return [
    row.type,
    row.name || '-',
    row.metadataVersion || row.version || '-',
    row.confirmedWallMs === 0 ? 'never' : formatAge(Math.max(0, nowWallMs - row.confirmedWallMs)),
    sinceOf(row.changedWallMs, nowWallMs),
    leftUntil(row.endsWallMs, nowWallMs),
    String(row.bytes),
    row.state === 'kept' ? (row.trust ?? '') : row.state,
  ];
}

/** Time until a moment; `-` without one. */
function leftUntil(wallMs: number | undefined, nowWallMs: number): string {
  if (wallMs === undefined) return '-';
  return wallMs <= nowWallMs ? 'over' : formatAge(wallMs - nowWallMs);
}

function nothing(problem: string): number {
  console.error(`weir: ${problem}`);
  return exitCodes.failed;
}
