import { AgentError, exitCodes } from '../../agent/errors.ts';
import { type AgentOptions, agentClient, answered } from '../agent-address.ts';
import { filterClients, renderClients } from '../client-text.ts';
import { isJson, print } from '../output.ts';
import { paintFor } from '../paint.ts';
import { typeUrlAsked } from '../type-names.ts';

/** Options of `weir clients`. */
export interface ClientsOptions extends AgentOptions {
  readonly node?: string | undefined;
  readonly type?: string | undefined;
  readonly status?: string | undefined;
  readonly output: string;
}

const statuses = ['SYNCED', 'STALE', 'SENT', 'NOT SENT', 'REJECTED'];

/** `weir clients`: every client stream, or those that are asked for. Resolves to 0, also where there is none. */
export async function showClients(options: ClientsOptions): Promise<number> {
  const asJson = isJson(options.output);
  const status = options.status?.toUpperCase().replace(/[-_]/g, ' ');
  if (status !== undefined && !statuses.includes(status)) {
    const allowed = statuses.map(one => one.toLowerCase().replace(' ', '-')).join(', ');
    throw new AgentError(`--status must be one of ${allowed} (given: '${options.status}')`, {
      exitCode: exitCodes.usage,
    });
  }
  const report = await answered(agentClient(options).report());
  const { node, type } = options;
  const held = [...report.types, ...report.clients.flatMap(client => client.types)];
  const typeUrl = type === undefined ? undefined : typeUrlAsked(type, held);
  const clients = filterClients(report.clients, { node, typeUrl, status });
  if (asJson) await print(`${JSON.stringify(clients, undefined, 2)}\n`);
  else if (clients.length > 0) await print(renderClients(clients, report, paintFor(process.stdout, process.env)));
  else
    console.error(
      report.clients.length === 0 ? 'no client is connected' : `none of ${report.clients.length} clients is like that`,
    );
  return exitCodes.ok;
}
