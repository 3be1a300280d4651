import { countOf, reasonIn } from '../admin/words.ts';
import type { AgentReport, ShownResource } from './agent-report.ts';

/** That somebody has something else than what the agent holds. */
export interface Difference {
  readonly typeUrl: string;
  readonly shortName: string;
  readonly name: string;
  /** `control plane`, `disk`, `client NODE` or `Envoy NODE`. */
  readonly where: string;
  readonly what: string;
}

/** One row of the disk cache, as far as it is compared. */
export interface DiskRow {
  readonly viewKey: string;
  readonly name: string;
  readonly state: 'kept' | 'withheld' | 'sealed with another key' | 'damaged';
  readonly version: string;
  readonly bytes: number;
  readonly trust: 'accepted' | 'presumed' | 'refused' | undefined;
}

type TypeReport = AgentReport['types'][number];

/** Node ids told of equal differences. */
const nodesMax = 3;

/** What the control plane has sent last, where that is not what is served. */
export function upstreamDifferences(
  { typeUrl, shortName, heldRemovals }: TypeReport,
  rows: readonly ShownResource[],
): Difference[] {
  const about = { typeUrl, shortName, where: 'control plane' };
  const found = rows.flatMap(({ name, quarantine }) => {
    if (!quarantine || quarantine.served === 'all the same') return [];
    const instead = quarantine.served === 'nothing' ? 'nothing is served of it' : 'the content before it is served';
    return [{ ...about, name, what: `has sent a content that every client rejected; ${instead}` }];
  });
  if (heldRemovals === 0) return found;
  return [
    ...found,
    { ...about, name: '', what: `has removed ${countOf(heldRemovals, 'resource')}, which the guard holds back` },
  ];
}

/** What clients have not taken. Several that say the same are told together. */
export function clientDifferences({ typeUrl, shortName }: TypeReport, rows: readonly ShownResource[]): Difference[] {
  const found: Difference[] = [];
  for (const { name, clients = [] } of rows) {
    const nodes = new Map<string, string[]>();
    for (const { nodeId, word, error } of clients) {
      const what =
        word === 'nacked'
          ? `has rejected it: ${reasonIn(error ?? 'without a word', 200)}`
          : word === 'pending'
            ? 'has not answered the newest content yet'
            : word === 'not sent'
              ? 'was not sent it yet'
              : undefined;
      if (what !== undefined) nodes.set(what, [...(nodes.get(what) ?? []), nodeId]);
    }
    for (const [what, ids] of nodes) {
      const some = [...new Set(ids)].slice(0, nodesMax).join(', ');
      const where =
        ids.length === 1 ? `client ${some}` : `${ids.length} clients (${some}${ids.length > nodesMax ? ' …' : ''})`;
      found.push({ typeUrl, shortName, name, where, what });
    }
  }
  return found;
}

/** What a restart would begin with, where it is not what is held. @param disk rows of the type and view */
export function diskDifferences(
  { typeUrl, shortName }: TypeReport,
  rows: readonly ShownResource[],
  disk: readonly DiskRow[],
): Difference[] {
  const about = { typeUrl, shortName, where: 'disk' };
  const onDisk = new Map(disk.map(row => [row.name, row]));
  const found: Difference[] = [];
  for (const row of rows) {
    const stored = onDisk.get(row.name);
    onDisk.delete(row.name);
    const what = stored ? diskDifference(row, stored) : row.isIdle ? undefined : 'is not there';
    if (what !== undefined) found.push({ ...about, name: row.name, what });
  }
  for (const { name, state } of onDisk.values()) {
    found.push({
      ...about,
      name,
      what: state === 'damaged' ? 'has a damaged row' : 'has it, and it is not held any more',
    });
  }
  return found;
}

function diskDifference(held: ShownResource, { state, version, bytes, trust }: DiskRow): string | undefined {
  if (state === 'withheld') return undefined; // Kept as a name on purpose.
  if (state !== 'kept') return `cannot be read: ${state}`;
  // Of what is refused the disk has both contents, and names the newer one.
  if (held.quarantine || trust === 'refused' || held.bytes === 0) return undefined;
  if (version !== held.version) return `has version ${version || 'none'}, held is ${held.version || 'none'}`;
  return bytes === held.bytes ? undefined : `has ${bytes} bytes, held are ${held.bytes}`;
}
