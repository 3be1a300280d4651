import { formatAge, reasonIn } from '../admin/words.ts';
import type { AgentReport, ClientReport, ClientTypeReport } from './agent-report.ts';
import { type Paint, paintStatus } from './paint.ts';
import { plain } from './plain.ts';
import { formatTable } from './table.ts';
import { labelsOf } from './type-names.ts';

/** Which clients, and which of their types, are asked for; all without it. */
export interface ClientFilter {
  /** Part of a node id. */
  readonly node?: string | undefined;
  readonly typeUrl?: string | undefined;
  /** As in a report. */
  readonly status?: string | undefined;
}

/** The clients that are asked for, each with the types that are. Without a filter on types a client that asks for nothing yet is one, too. */
export function filterClients(
  clients: readonly ClientReport[],
  { node, typeUrl, status }: ClientFilter,
): ClientReport[] {
  return clients.flatMap(client => {
    if (node !== undefined && !client.nodeId.includes(node)) return [];
    if (typeUrl === undefined && status === undefined) return [client];
    const types = client.types.filter(
      type => (typeUrl === undefined || type.typeUrl === typeUrl) && (status === undefined || type.status === status),
    );
    return types.length > 0 ? [{ ...client, types }] : [];
  });
}

function rejectedText({ rejected }: ClientTypeReport): string {
  const { names = [], count = 0 } = rejected ?? {};
  return names.join(', ') + (count > names.length ? ` and ${count - names.length} more` : '');
}

/** Clients as text: who they are, and a line for each type of each. Last errors follow in full. */
export function renderClients(told: readonly ClientReport[], { nowWallMs }: AgentReport, paint: Paint): string {
  const clients = plain(told);
  const labels = labelsOf(clients.flatMap(client => client.types));
  const who = clients.map(client => [
    String(client.streamId),
    client.nodeId,
    client.nodeCluster,
    client.userAgent,
    client.variant,
    client.listener,
    formatAge(nowWallMs - client.connectedWallMs),
  ]);
  const rows = clients.flatMap(client =>
    client.types.map(type => [
      String(client.streamId),
      client.nodeId,
      labels.get(type.typeUrl) ?? type.shortName,
      type.status,
      type.isComplete ? 'all' : 'waits',
      type.lastAckedVersion.slice(0, 12),
      rejectedText(type),
      reasonIn(type.lastError ?? '', 300),
    ]),
  );
  return [
    formatTable([['CLIENT', 'NODE', 'CLUSTER', 'USER AGENT', 'VARIANT', 'LISTENER', 'SINCE'], ...who]),
    formatTable(
      [['CLIENT', 'NODE', 'TYPE', 'STATUS', 'ANSWERED', 'ACKED VERSION', 'REJECTED', 'LAST ERROR'], ...rows],
      paintStatus(paint),
    ),
  ].join('\n');
}
