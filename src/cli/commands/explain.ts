import { isIP } from 'node:net';
import type { AdminClient } from '../../admin/client.ts';
import { countOf, shellWord } from '../../admin/words.ts';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { type AgentOptions, agentClient, answered } from '../agent-address.ts';
import type { AgentReport } from '../agent-report.ts';
import { type AddressSearch, referrersOf, searchAddress } from '../contents.ts';
import { eventLine } from '../event-text.ts';
import { renderExplanation } from '../explain-text.ts';
import { isJson, print } from '../output.ts';
import { type Paint, paintFor } from '../paint.ts';
import { plain } from '../plain.ts';
import { typeUrlAsked } from '../type-names.ts';

/** Options of `weir explain`. */
export interface ExplainOptions extends AgentOptions {
  readonly output: string;
}

/** `weir explain`: all that the agent knows of a resource. Resolves to 0 when clients are served it, else to 1. */
export async function explain(name: string, type: string | undefined, options: ExplainOptions): Promise<number> {
  const asJson = isJson(options.output);
  const client = agentClient(options);
  const report = await answered(client.report());
  const typeUrl = type === undefined ? undefined : typeUrlAsked(type, report.types);
  const explanation = await answered(client.explain({ name, typeUrl }));
  const address = explanation.isKnown ? undefined : addressIn(name);
  if (address) return await explainAddress(client, report, address, asJson);
  const referrers = await answered(referrersOf(client, report.types, explanation.name));
  if (asJson) await print(`${JSON.stringify({ ...explanation, referrers }, undefined, 2)}\n`);
  else await print(renderExplanation(explanation, { referrers }, paintFor(process.stdout, process.env)));
  const isServed = explanation.isKnown && explanation.found.some(one => one.missing === undefined);
  return isServed ? exitCodes.ok : exitCodes.failed;
}

interface EndpointAddress {
  readonly address: string;
  readonly port: number | undefined;
}

/** The address in `10.1.2.3`, `10.1.2.3:8080`, `fd00::1` and `[fd00::1]:8080`; undefined for anything else. */
function addressIn(text: string): EndpointAddress | undefined {
  if (isIP(text) !== 0) return { address: text, port: undefined };
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = v6 ?? v4 ?? '';
  return isIP(address) === 0 ? undefined : { address, port: Number(port) };
}

const eventsShownMax = 10;

async function explainAddress(
  client: AdminClient,
  report: AgentReport,
  { address, port }: EndpointAddress,
  asJson: boolean,
): Promise<number> {
  const search = await answered(searchAddress(client, report.types, address, port));
  if (!search) {
    throw new AgentError(
      `an address is looked for in contents, which the agent gives out on its admin socket only: --cache-dir DIR, or --admin unix:/path`,
    );
  }
  const endpointTypes = report.types.filter(({ shortName }) => shortName === 'EDS' || shortName === 'LEDS');
  const [type] = endpointTypes;
  const events = type ? (await answered(client.events({ type: type.typeUrl }))).slice(-eventsShownMax) : [];
  if (asJson) await print(`${JSON.stringify({ address, port, ...search, events }, undefined, 2)}\n`);
  else {
    const paint = paintFor(process.stdout, process.env);
    const wanted = port === undefined ? address : `${address}:${port}`;
    const recent = events.map(event => `  ${eventLine(event, report.nowWallMs, paint)}`).join('');
    await print(
      addressText(wanted, search, paint) +
        (search.places.length > 0 || recent === '' ? '' : `What became of endpoints lately:\n${recent}`),
    );
  }
  return search.places.length > 0 ? exitCodes.ok : exitCodes.failed;
}

/** What was found of an address. Contents of the past are not kept, and it says so. */
function addressText(wanted: string, search: AddressSearch, paint: Paint): string {
  const { places, resources, endpoints, missing } = plain(search);
  const lines = places.map(one => {
    const state = one.health === 'HEALTHY' || one.health === 'UNKNOWN' ? paint.good(one.health) : paint.bad(one.health);
    return `${one.address}:${one.port} is an endpoint in ${one.fromShortName} '${one.from}': the control plane says ${state}`;
  });
  if (places.length > 0) {
    lines.push('What Envoy’s own health checks say of it is in Envoy (/clusters).');
    lines.push(...new Set(places.map(one => `Who has it: weir explain ${shellWord(one.from)} ${one.fromShortName}`)));
    return `${lines.join('\n')}\n`;
  }
  lines.push(
    `${paint.bad(`${wanted} is no endpoint of anything held`)}: ${countOf(resources, 'resource')} with ${countOf(endpoints, 'endpoint')} were read. The control plane does not give it; older contents are not kept.`,
  );
  for (const { cluster, name } of missing) {
    lines.push(`Cluster '${cluster}' has no endpoints at all: weir explain ${shellWord(name)} EDS`);
  }
  return `${lines.join('\n')}\n`;
}
