import type { AdminClient } from '../admin/client.ts';
import { formatAge } from '../admin/words.ts';

/** A resource as the agent tells of it. */
export type Held = ReturnType<AdminClient['resources']> extends AsyncGenerator<infer One> ? One : never;

/** Heading of what Weir alone knows of a resource: how sure it is, since when, and who took it. */
export const stateHeading: readonly string[] = ['AGE', 'SOURCE', 'ACKED', 'LAST CHANGE'];

/** Heading of the table of resources. */
export const meshHeading: readonly string[] = ['TYPE', 'NAMESPACE/NAME', 'VERSION', ...stateHeading];

/** One row of that table: what is held, since when, from where, and who took it. @param label what its type is called */
export function meshCells(row: Held, label: string, nowWallMs: number): string[] {
  return [label, row.name || '-', versionOf(row), ...stateCells(row, nowWallMs)];
}

/** Cells under {@link stateHeading}. */
export function stateCells(row: Held, nowWallMs: number): string[] {
  return [ageOf(row, nowWallMs), row.source, ackedOf(row), sinceOf(row.changedWallMs, nowWallMs)];
}

/** What its author gave it, else what the control plane gave it. */
function versionOf({ metadataVersion, version }: Held): string {
  return metadataVersion || version || '-';
}

/** How old what is held is: the control plane confirms it at this moment, or did so long ago. */
function ageOf({ isCurrent, confirmedWallMs }: Held, nowWallMs: number): string {
  if (isCurrent) return 'current';
  return confirmedWallMs === undefined ? 'never heard' : formatAge(Math.max(0, nowWallMs - confirmedWallMs));
}

/** Time since a moment; `-` where that is not known. */
export function sinceOf(wallMs: number | undefined, nowWallMs: number): string {
  return wallMs === undefined ? '-' : formatAge(Math.max(0, nowWallMs - wallMs));
}

/** How many of the clients that subscribe it have said that they took it. */
function ackedOf({ words: { subscribed, acked, nacked, sent } }: Held): string {
  if (subscribed === 0) return 'no client';
  // Whoever never answers is not late.
  const said = sent > 0 && acked + nacked === 0 ? `sent ${sent}/${subscribed}` : `${acked}/${subscribed}`;
  return nacked > 0 ? `${said}, ${nacked} NACK` : said;
}

/** What stands above a resource that is shown as a whole: what its object has no place for, a line each. */
export function meshNotes(row: Held, nowWallMs: number): string[] {
  const from = row.server === undefined ? row.source : `${row.source} ${row.server}`;
  const changed = row.changedWallMs === undefined ? '' : `, last change ${new Date(row.changedWallMs).toISOString()}`;
  const lines = [`version ${versionOf(row)}, from ${from}, ${ageText(row, nowWallMs)}${changed}`];
  if (row.clients?.length === 0) lines.push('no client subscribes it');
  for (const { nodeId, streamId, word, error } of row.clients ?? []) {
    lines.push(`${word} by ${nodeId} (stream ${streamId})${error === undefined ? '' : `: ${error}`}`);
  }
  const { quarantine } = row;
  if (quarantine) lines.push(`its newest content is refused, served is: ${quarantine.served}; ${quarantine.words}`);
  return lines.map(line => line.replace(/[\s\p{Cc}]+/gu, ' '));
}

function ageText(row: Held, nowWallMs: number): string {
  const age = ageOf(row, nowWallMs);
  return row.isCurrent || row.confirmedWallMs === undefined ? age : `as of ${age} ago`;
}
