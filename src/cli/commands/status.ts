import { exitCodes } from '../../agent/errors.ts';
import { type AgentOptions, agentClient, noAgent } from '../agent-address.ts';
import { formatAge, formatBytes, formatTable } from '../table.ts';
import { labelsOf, type NamedType } from '../type-names.ts';

/** Options of `weir status` and `weir guard pass`. */
export interface StatusOptions extends AgentOptions {
  readonly output?: string | undefined;
}

type Client = ReturnType<typeof agentClient>;
type Report = Awaited<ReturnType<Client['report']>>;

/** `weir status`: what works, since when not, and what to do. Resolves to 0 when the agent is ready, else to 1. */
export async function showStatus(options: StatusOptions): Promise<number> {
  if (options.output !== 'text' && options.output !== 'json') {
    console.error(`weir: --output must be text or json (given: '${String(options.output)}')`);
    return exitCodes.usage;
  }
  const client = agentClient(options);
  const answers = await Promise.all([client.ready(), client.report()]).catch((error: unknown) => {
    throw noAgent(error);
  });
  const [ready, report] = answers;
  if (options.output === 'json') console.log(JSON.stringify({ ready, ...report }, undefined, 2));
  else process.stdout.write(renderStatus(ready, report));
  return ready.isOk ? exitCodes.ok : exitCodes.failed;
}

/** `weir guard pass`: lets pass what the guard holds back. */
export async function passGuard(type: string | undefined, options: StatusOptions): Promise<number> {
  const released = await agentClient(options)
    .passGuard(type)
    .catch((error: unknown) => {
      throw noAgent(error);
    });
  if (options.output === 'json') console.log(JSON.stringify({ released }));
  else console.log(released === 0 ? 'The guard holds nothing back.' : `Removals let pass: ${released}.`);
  return exitCodes.ok;
}

/** The status as text: the verdict first, then upstream, types, clients, and what needs attention. */
export function renderStatus(ready: Awaited<ReturnType<Client['ready']>>, report: Report): string {
  const parts = [`${ready.isOk ? 'READY' : 'NOT READY'}: ${ready.reason}\n`];
  const { nowWallMs } = report;
  const labels = labelsOf([...report.types, ...report.clients.flatMap(client => client.types)]);
  const label = ({ typeUrl, shortName }: NamedType): string => labels.get(typeUrl) ?? shortName;
  parts.push(
    formatTable([
      ['UPSTREAM', 'STATE', 'SINCE', 'VARIANT', 'ADDRESS', 'CONTROL PLANE'],
      ...report.upstreams.map(one => [
        one.group,
        stateOfUpstream(one, nowWallMs),
        one.sinceWallMs === 0 ? 'never' : formatAge(nowWallMs - one.sinceWallMs),
        one.variant,
        one.address,
        one.identifier,
      ]),
    ]) + errorLines(report.upstreams),
  );
  parts.push(savedLine(report.load));
  parts.push(
    formatTable([
      ['TYPE', 'STATE', 'SOURCE', 'AGE', 'RESOURCES', 'SIZE', 'MISSING', 'QUARANTINED', 'HELD BACK'],
      ...report.types.map(type => [
        label(type),
        stateOf(type),
        type.source,
        type.isCurrent ? 'current' : type.ageMs === undefined ? 'never heard' : formatAge(type.ageMs),
        String(type.resources),
        formatBytes(type.bytes),
        String(type.namesMissing),
        String(type.quarantined.length),
        String(type.heldRemovals),
      ]),
    ]),
  );
  parts.push(
    formatTable([
      ['CLIENT', 'NODE', 'VARIANT', 'TYPE', 'STATUS', 'LAST ERROR'],
      ...report.clients.flatMap(client =>
        client.types.map(type => [
          String(client.streamId),
          client.nodeId,
          client.variant,
          label(type),
          type.status,
          oneLine(type.lastError ?? ''),
        ]),
      ),
    ]),
  );
  const quarantined = report.types.flatMap(type => type.quarantined.map(one => ({ type: label(type), ...one })));
  if (quarantined.length > 0) {
    parts.push(
      formatTable([
        ['QUARANTINE', 'RESOURCE', 'SINCE', 'SERVED INSTEAD', 'WORDS'],
        ...quarantined.map(({ type, name, sinceWallMs, served, words }) => [
          type,
          name,
          formatAge(nowWallMs - sinceWallMs),
          served,
          oneLine(words),
        ]),
      ]),
    );
  }
  const { cache } = report;
  if (cache) {
    const failing = cache.error === undefined ? '' : `: ${cache.error}`;
    parts.push(`CACHE ${cache.state}${failing}, ${formatBytes(cache.bytes)} on disk\n`);
  }
  return parts.join('\n');
}

/** Why streams are not there, each on a line of its own: what a server has shown and what was expected of it is long. */
function errorLines(upstreams: Report['upstreams']): string {
  const failing = upstreams.filter(one => one.phase !== 'open' && one.lastError !== undefined);
  return failing.map(({ address, lastError = '' }) => `${address}: ${plain(lastError)}\n`).join('');
}

function stateOfUpstream(one: Report['upstreams'][number], nowWallMs: number): string {
  const { phase, isInUse, unauthenticatedSinceWallMs: since } = one;
  const state = isInUse ? phase : `${phase}, to take over`;
  return since === undefined ? state : `${state}, credentials refused for ${formatAge(nowWallMs - since)}`;
}

/** What the control plane did not have to do, since it talks to one agent in place of all its clients. */
function savedLine(load: Report['load']): string {
  const { upstreamStreams, upstreamRequests, upstreamBytes, clientStreams, clientBytes, resendsAvoided } = load;
  const streams = Math.max(0, clientStreams - upstreamStreams);
  const bytes = Math.max(0, clientBytes - upstreamBytes);
  const part = clientBytes > 0 ? ` (${Math.floor((100 * bytes) / clientBytes)} %)` : '';
  const did = `it opened ${upstreamStreams} streams to it, wrote ${upstreamRequests} requests and was sent ${formatBytes(upstreamBytes)}`;
  return `SAVED the control plane ${streams} streams, ${formatBytes(bytes)}${part} and ${resendsAvoided} resources sent again; ${did}\n`;
}

function stateOf({ isWithheld, isStale, state, resources }: Report['types'][number]): string {
  if (isWithheld) return 'withheld';
  if (isStale) return 'STALE';
  if (state === 'known') return 'whole set';
  return resources > 0 ? 'by name' : 'unknown';
}

/** Without line ends, and without what moves a terminal's cursor. */
function plain(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ');
}

function oneLine(text: string): string {
  const line = plain(text);
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
