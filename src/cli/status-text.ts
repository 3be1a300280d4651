import { countOf, formatAge, reasonIn } from '../admin/words.ts';
import type { AgentReport, ClientReport, StatusReport, TypeReport } from './agent-report.ts';
import { type Paint, paintStatus } from './paint.ts';
import { plain } from './plain.ts';
import { formatBytes, formatTable } from './table.ts';
import { labelsOf, type NamedType } from './type-names.ts';

/** Clients that are shown each on a line; of more only those that something is up with, and no more of them either. */
const clientsShownMax = 10;
/** Quarantined contents shown. */
const quarantinedShownMax = 20;

/** The status as text: the verdict first, then upstream, types, clients, and what needs attention. It stays short, however many clients there are. */
export function renderStatus(told: StatusReport, paint: Paint): string {
  const report = plain(told);
  const labels = labelsOf([...report.types, ...report.clients.flatMap(client => client.types)]);
  const label = ({ typeUrl, shortName }: NamedType): string => labels.get(typeUrl) ?? shortName;
  const parts = [
    verdictText(report.verdict, report.ready, paint),
    upstreamTable(report, paint),
    savedLine(report.load),
    typeTable(report, label, paint),
    clientTable(report, label, paint),
    quarantineTable(report, label),
    cacheLine(report.cache),
    memoryLine(report.memory),
  ];
  return parts.filter(part => part !== '').join('\n');
}

function verdictText(
  { state, sentence, findings, restart }: StatusReport['verdict'],
  ready: StatusReport['ready'],
  paint: Paint,
): string {
  const colour = {
    ok: paint.good,
    degraded: paint.warn,
    broken: paint.bad,
    starting: paint.warn,
    draining: paint.warn,
  }[state];
  const lines = [`${colour(paint.bold(`${state.toUpperCase()}:`))} ${sentence}`];
  for (const finding of findings) {
    const toDo = [finding.toDo, finding.command].filter(part => part !== undefined).join(': ');
    // Where all is well, what there is to know is not what the first line says.
    if (finding === findings[0] && state !== 'ok') lines.push(...(toDo === '' ? [] : [`  to do: ${toDo}`]));
    else lines.push(`  also: ${finding.sentence}${toDo === '' ? '' : `; to do: ${toDo}`}`);
  }
  lines.push(`RESTART ${restart.isSafe ? 'is safe' : paint.bad('IS NOT SAFE')}: ${restart.why}`);
  lines.push(`${ready.isOk ? 'READY' : 'NOT READY'}: ${ready.reason}`);
  return `${lines.join('\n')}\n`;
}

function upstreamTable({ upstreams, nowWallMs }: AgentReport, paint: Paint): string {
  const rows = upstreams.map(one => [
    one.group,
    stateOfUpstream(one, nowWallMs),
    one.sinceWallMs === 0 ? 'never' : formatAge(nowWallMs - one.sinceWallMs),
    one.variant,
    one.address,
    one.identifier,
  ]);
  const head = ['UPSTREAM', 'STATE', 'SINCE', 'VARIANT', 'ADDRESS', 'CONTROL PLANE'];
  return formatTable([head, ...rows], paintStatus(paint)) + errorLines(upstreams);
}

/** Why streams are not there, each on a line of its own: what a server has shown and what was expected of it is long. */
function errorLines(upstreams: AgentReport['upstreams']): string {
  const failing = upstreams.filter(one => one.phase !== 'open' && one.lastError !== undefined);
  return failing.map(({ address, lastError = '' }) => `${address}: ${lastError}\n`).join('');
}

function stateOfUpstream(one: AgentReport['upstreams'][number], nowWallMs: number): string {
  const { phase, isInUse, unauthenticatedSinceWallMs: since } = one;
  const state = isInUse ? phase : `${phase}, to take over`;
  return since === undefined ? state : `${state}, credentials refused for ${formatAge(nowWallMs - since)}`;
}

/** What the control plane did not have to do, since it talks to one agent in place of all its clients. */
function savedLine(load: AgentReport['load']): string {
  const { upstreamStreams, upstreamRequests, upstreamBytes, clientStreams, clientBytes, resendsAvoided } = load;
  const streams = Math.max(0, clientStreams - upstreamStreams);
  const bytes = Math.max(0, clientBytes - upstreamBytes);
  const part = clientBytes > 0 ? ` (${Math.floor((100 * bytes) / clientBytes)} %)` : '';
  // One client saves it nothing before it comes again.
  if (streams + bytes + resendsAvoided === 0) return '';
  const did = `it opened ${countOf(upstreamStreams, 'stream')} to it, wrote ${countOf(upstreamRequests, 'request')} and was sent ${formatBytes(upstreamBytes)}`;
  return `SAVED the control plane ${countOf(streams, 'stream')}, ${formatBytes(bytes)}${part} and ${countOf(resendsAvoided, 'resource')} sent again; ${did}\n`;
}

type Label = (type: NamedType) => string;

function typeTable({ types, clients }: AgentReport, label: Label, paint: Paint): string {
  const head = ['TYPE', 'STATE', 'SOURCE', 'AGE', 'RESOURCES', 'SIZE', 'MISSING', 'QUARANTINED', 'HELD BACK'];
  const rows = types.map(type => [
    label(type),
    stateOf(type),
    type.source,
    type.isCurrent ? 'current' : type.ageMs === undefined ? 'never heard' : formatAge(type.ageMs),
    String(type.resources),
    formatBytes(type.bytes),
    String(type.namesMissing),
    String(type.quarantined.length),
    String(type.heldRemovals),
    type.versionInfo.slice(0, 8),
    statusCounts(clients, type),
  ]);
  return formatTable([[...head, 'VERSION', 'CLIENTS'], ...rows], paintStatus(paint));
}

function stateOf({ isWithheld, isStale, state, resources }: TypeReport): string {
  if (isWithheld) return 'withheld';
  if (isStale) return 'STALE';
  if (state === 'known') return 'whole set';
  return resources > 0 ? 'by name' : 'unknown';
}

/** How the clients of a view stand with a type: `97 SYNCED, 3 REJECTED`. */
function statusCounts(clients: readonly ClientReport[], { typeUrl, viewKey }: TypeReport): string {
  const counts = new Map<string, number>();
  for (const client of clients) {
    if (client.viewKey !== viewKey) continue;
    for (const type of client.types) {
      if (type.typeUrl === typeUrl) counts.set(type.status, (counts.get(type.status) ?? 0) + 1);
    }
  }
  return [...counts].map(([status, count]) => `${count} ${status}`).join(', ') || 'none';
}

/** Types of one status that are named; of more their number is told. */
const typesNamedMax = 8;
const worstFirst = ['REJECTED', 'NOT SENT', 'STALE', 'SENT', 'SYNCED'] as const;

/** How a client stands with its types: `REJECTED CDS; SYNCED EDS, LDS, RDS`. */
export function statusesOf({ types }: ClientReport, label: Label): string {
  const parts = worstFirst.flatMap(status => {
    const names = types.filter(type => type.status === status).map(label);
    if (names.length === 0) return [];
    return [`${status} ${names.length > typesNamedMax ? `${names.length} types` : names.sort().join(', ')}`];
  });
  return parts.join('; ') || 'asks for nothing yet';
}

function clientTable({ clients, nowWallMs }: AgentReport, label: Label, paint: Paint): string {
  const isUp = (client: ClientReport): boolean =>
    client.types.every(({ status, isComplete }) => isComplete && (status === 'SYNCED' || status === 'SENT'));
  const isShort = clients.length <= clientsShownMax;
  const shown = (isShort ? clients : clients.filter(client => !isUp(client))).slice(0, clientsShownMax);
  const rows = shown.map(client => {
    const error = client.types.find(type => type.lastError !== undefined)?.lastError ?? '';
    return [
      String(client.streamId),
      client.nodeId,
      client.variant,
      formatAge(nowWallMs - client.connectedWallMs),
      statusesOf(client, label),
      reasonIn(error, 80),
    ];
  });
  if (clients.length === 0) return 'CLIENTS none is connected\n';
  const left = clients.length - shown.length;
  if (left === clients.length && left > 0) return `CLIENTS ${left}, each has all that it asked for (weir clients)\n`;
  const table = formatTable(
    [['CLIENT', 'NODE', 'VARIANT', 'SINCE', 'STATUS', 'LAST ERROR'], ...rows],
    paintStatus(paint),
  );
  return left > 0 ? `${table}and ${countOf(left, 'more client')}: weir clients\n` : table;
}

function quarantineTable({ types, nowWallMs }: AgentReport, label: Label): string {
  const all = types.flatMap(type => type.quarantined.map(one => ({ type: label(type), ...one })));
  if (all.length === 0) return '';
  const rows = all
    .slice(0, quarantinedShownMax)
    .map(({ type, name, sinceWallMs, served, words }) => [
      type,
      name,
      formatAge(nowWallMs - sinceWallMs),
      served,
      reasonIn(words, 120),
    ]);
  const more = all.length - rows.length;
  const table = formatTable([['QUARANTINE', 'RESOURCE', 'SINCE', 'SERVED INSTEAD', 'WORDS'], ...rows]);
  return more > 0 ? `${table}and ${more} more: weir status -o json\n` : table;
}

function cacheLine(cache: AgentReport['cache']): string {
  if (!cache) return 'CACHE none: a restart begins with nothing (setting cacheDir)\n';
  const failing = cache.error === undefined ? '' : `: ${cache.error}`;
  return `CACHE ${cache.state}${failing}, ${formatBytes(cache.bytes)} on disk\n`;
}

/** An agent of an earlier version does not tell. */
function memoryLine(memory: AgentReport['memory'] | undefined): string {
  if (!memory) return '';
  const own = memory.ownBytes === undefined ? '' : `, ${formatBytes(memory.ownBytes)} of it shared with nobody`;
  return `MEMORY ${formatBytes(memory.residentBytes)}${own}\n`;
}
