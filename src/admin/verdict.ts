import type { AgentReport, ClientReport, ClientTypeReport, TypeReport } from './reports.ts';
import type { HealthVerdict } from './source.ts';
import { countOf, formatAge, oneLine, reasonIn, shellWord } from './words.ts';

/** One thing that an operator has to know. */
export interface Finding {
  /** `broken`: somebody lacks configuration; `degraded`: all have some, which is not what it should be; `notice`: good to know. */
  readonly severity: 'broken' | 'degraded' | 'notice';
  /** What is so, without anything that changes as time goes by: it may be read aloud. */
  readonly what: string;
  /** Since when, wall time in ms; undefined where that is not known. */
  readonly sinceWallMs?: number | undefined;
  /** What somebody else says of it: the control plane, a client, the system. */
  readonly words?: string | undefined;
  /** All of that in one sentence, with how long it has been so and what it means for the clients. */
  readonly sentence: string;
  /** What to do about it; undefined where time does it. */
  readonly toDo?: string | undefined;
  /** What to run next. */
  readonly command?: string | undefined;
}

/** What a report comes down to. */
export interface Verdict {
  readonly state: 'ok' | 'degraded' | 'broken' | 'starting' | 'draining';
  /** What works, or what is worst. */
  readonly sentence: string;
  /** What there is to know, the worst first. */
  readonly findings: readonly Finding[];
  /** What a restart of the agent would begin with. */
  readonly restart: { readonly isSafe: boolean; readonly why: string };
}

/** What `/status` says. */
export interface StatusReport extends AgentReport {
  readonly verdict: Verdict;
  readonly ready: HealthVerdict;
}

const severities = ['broken', 'degraded', 'notice'] as const;
/** Clients that were refused longer ago than this are history, in ms. */
const refusedLatelyMs = 300_000;

/** Says of an agent what works, since when something does not, and what to do: the worst first. */
export function verdictOf(report: AgentReport, ready: HealthVerdict): Verdict {
  const restart = restartOf(report);
  if (report.isDraining) {
    const left = countOf(report.clients.length, 'client');
    return { state: 'draining', sentence: `draining: clients are told to go (${left} left)`, findings: [], restart };
  }
  if (isStarting(report, ready)) {
    const sentence =
      'no client has connected yet; the control plane is dialled when one has, or at once with a node id';
    return { state: 'starting', sentence, findings: [], restart };
  }
  const findings = [
    ...upstreamFindings(report),
    ...placeFindings(report),
    ...clientFindings(report, ready),
    ...contentFindings(report),
    ...diskFindings(report),
    ...refusalFindings(report),
  ];
  const sorted = severities.flatMap(severity => findings.filter(one => one.severity === severity));
  const [worst] = sorted;
  if (!worst || worst.severity === 'notice') {
    return { state: 'ok', sentence: fineSentence(report), findings: sorted, restart };
  }
  return { state: worst.severity, sentence: worst.sentence, findings: sorted, restart };
}

/** Nobody has asked for anything yet, and nothing is wrong with that. */
function isStarting({ clients, upstreams, types, isListening }: AgentReport, ready: HealthVerdict): boolean {
  return !ready.isOk && isListening && clients.length + upstreams.length + types.length === 0;
}

/** Streams of clients that have asked for something. */
function askingClients({ clients }: AgentReport): readonly ClientReport[] {
  return clients.filter(client => client.types.length > 0);
}

function fineSentence(report: AgentReport): string {
  const connected = connectedSince(report);
  const clients = askingClients(report);
  if (clients.length === 0) return `nothing is asked for yet: no client has connected; ${connected}`;
  const unconfirmed = report.types.filter(type => type.source !== 'none' && !type.isCurrent);
  if (unconfirmed.length > 0) {
    const ageMs = Math.max(...unconfirmed.map(type => type.ageMs ?? 0));
    const names = [...new Set(unconfirmed.map(type => type.shortName))].join(', ');
    return `${countOf(clients.length, 'client')} served, with ${names} as of ${formatAge(ageMs)} ago, which the control plane has yet to confirm; ${connected}`;
  }
  const resources = report.types.reduce((sum, type) => sum + type.resources, 0);
  const have = clients.length === 1 ? 'the client has' : `all ${clients.length} clients have`;
  return `${have} what the control plane has (${countOf(resources, 'resource')}); ${connected}`;
}

function connectedSince({ upstreams, nowWallMs }: AgentReport): string {
  const open = upstreams.filter(one => one.isInUse && one.phase === 'open');
  if (open.length === 0) return 'no control plane is asked for anything';
  const sinceMs = Math.max(...open.map(one => one.sinceWallMs));
  return `connected to ${[...new Set(open.map(one => one.address))].join(', ')} for ${formatAge(nowWallMs - sinceMs)}`;
}

function upstreamFindings(report: AgentReport): Finding[] {
  const { upstreams, nowWallMs, startedWallMs, types } = report;
  const findings: Finding[] = [];
  for (const one of upstreams) {
    if (!one.isInUse || one.phase === 'open' || one.phase === 'idle') continue;
    const held = types.filter(type => type.viewKey === one.viewKey && type.source !== 'none' && isOfGroup(type, one));
    const serving = held.length > 0 ? servingText(held, report, one.viewKey) : undefined;
    const severity = serving === undefined ? 'broken' : 'degraded';
    const words = one.lastError === undefined ? undefined : oneLine(one.lastError);
    const because = words === undefined ? '' : ` (${words})`;
    const then = serving ?? 'nothing is held of it, and clients wait';
    const refusedSince = one.unauthenticatedSinceWallMs;
    const who = `the control plane ${one.address}`;
    if (refusedSince !== undefined) {
      findings.push({
        severity,
        what: `${who} refuses our credentials`,
        sinceWallMs: refusedSince,
        words,
        sentence: `${who} has refused our credentials for ${formatAge(nowWallMs - refusedSince)}${because}; ${then}`,
        toDo: 'check certificate and token (settings upstreamTls… and upstreamToken…); files are read again when they change',
      });
    } else if (report.load.upstreamBytes === 0) {
      findings.push({
        severity,
        what: `${who} was not reached since the agent started`,
        sinceWallMs: startedWallMs,
        words,
        sentence: `${who} was not reached since the agent started ${formatAge(nowWallMs - startedWallMs)} ago${because}; ${then}`,
        toDo: 'see whether it runs, and check its address (setting upstream); the agent goes on trying',
      });
    } else {
      findings.push({
        severity,
        what: `${who} is away`,
        sinceWallMs: one.sinceWallMs,
        words,
        sentence: `${who} has been away for ${formatAge(nowWallMs - one.sinceWallMs)}${because}; ${then}`,
        toDo: 'mend the control plane; the agent goes on trying and clients need nothing',
      });
    }
  }
  return findings;
}

/** Another control plane than the preferred one is in use. */
function placeFindings({ upstreams, servers }: AgentReport): Finding[] {
  const current = upstreams.find(one => one.isInUse && one.group === 'main' && one.phase === 'open');
  const place = current ? servers.indexOf(current.address) : -1;
  if (!current || place <= 0) return [];
  const what = `${current.address} is in use, number ${place + 1} of ${servers.length} control planes`;
  const toDo = `the agent goes back to ${servers[0]} by itself`;
  return [{ severity: 'notice', what, sinceWallMs: current.sinceWallMs, sentence: what, toDo }];
}

/** Whether a type is asked for on a stream, as far as a report tells. */
function isOfGroup({ typeUrl }: TypeReport, { group }: AgentReport['upstreams'][number]): boolean {
  const isMesh = /^[^/]+\/v[^/]+\/[^/]+$/.test(typeUrl);
  return group === 'mcp' ? isMesh : group.startsWith('own ') ? typeUrl.startsWith(group.slice(4)) : !isMesh;
}

function servingText(held: readonly TypeReport[], report: AgentReport, viewKey: string): string {
  const clients = askingClients(report).filter(client => client.viewKey === viewKey).length;
  const sources = [...new Set(held.map(({ source }) => (source === 'upstream' ? 'memory' : source)))].join(' and ');
  const ageMs = Math.max(...held.map(type => type.ageMs ?? 0));
  const whom = clients === 0 ? 'ready to serve' : `${countOf(clients, 'client')} served`;
  return `${whom} from ${sources}, as of ${formatAge(ageMs)} ago`;
}

function clientFindings(report: AgentReport, ready: HealthVerdict): Finding[] {
  const findings: Finding[] = [];
  const rejections = new Map<string, { client: ClientReport; type: ClientTypeReport; clients: number }>();
  // Of what everybody rejected the quarantine tells.
  const quarantined = new Set(report.types.filter(type => type.quarantined.length > 0).map(type => type.typeUrl));
  for (const client of report.clients) {
    for (const type of client.types) {
      if (type.status !== 'REJECTED' || quarantined.has(type.typeUrl)) continue;
      const known = rejections.get(type.typeUrl);
      if (known) known.clients++;
      else rejections.set(type.typeUrl, { client, type, clients: 1 });
    }
  }
  for (const { client, type, clients } of rejections.values()) {
    const { names: [name] = [], count: rejected = 0 } = type.rejected ?? {};
    const who = clients === 1 ? `client '${client.nodeId}' rejects` : `${clients} clients reject`;
    const more = rejected > 1 ? ` and ${rejected - 1} more` : '';
    const what = `${who} ${type.shortName}${name === undefined ? '' : ` '${name}'${more}`}`;
    const words = reasonIn(type.lastError ?? '');
    findings.push({
      severity: 'degraded',
      what,
      words,
      sentence: `${what}: ${words}`,
      command:
        name === undefined ? 'weir clients --status rejected' : `weir explain ${shellWord(name)} ${type.shortName}`,
    });
  }
  if (ready.isOk) return findings;
  findings.push({
    severity: 'broken',
    what: 'not ready',
    words: ready.reason,
    sentence: `not ready: ${ready.reason}`,
    toDo: askingClients(report).length > 0 ? 'weir clients, then weir explain NAME for what is waited for' : undefined,
  });
  return findings;
}

function contentFindings({ types, nowWallMs }: AgentReport): Finding[] {
  const findings: Finding[] = [];
  for (const type of types) {
    const { shortName, quarantined, heldRemovals } = type;
    const [first] = quarantined;
    if (first) {
      const more = quarantined.length > 1 ? ` and ${quarantined.length - 1} more` : '';
      const words = reasonIn(first.words);
      findings.push({
        severity: first.served === 'nothing' ? 'broken' : 'degraded',
        what: `${shortName} '${first.name}'${more} is rejected by every client`,
        sinceWallMs: first.sinceWallMs,
        words,
        sentence: `${shortName} '${first.name}'${more} was rejected by every client ${formatAge(nowWallMs - first.sinceWallMs)} ago: ${words}; clients that start are given ${served(first.served)}`,
        command: `weir explain ${shellWord(first.name)} ${shortName}`,
      });
    }
    if (type.namesMissing > 0) {
      const [name] = type.missingNames;
      const what = `${countOf(type.namesMissing, 'name')} of ${shortName} that clients ask for ${type.namesMissing === 1 ? 'does' : 'do'} not exist`;
      findings.push({
        severity: 'notice',
        what,
        sentence: `${what}: ${type.missingNames.join(', ')}${type.namesMissing > type.missingNames.length ? ' …' : ''}`,
        command: name === undefined ? undefined : `weir explain ${shellWord(name)} ${shortName}`,
      });
    }
    if (heldRemovals > 0) {
      const what = `the guard holds back ${countOf(heldRemovals, 'removal')} of ${shortName}`;
      findings.push({
        severity: 'degraded',
        what,
        sentence: `${what}: the control plane had much less right after a connect`,
        toDo: 'see whether it is meant, then',
        command: `weir guard pass ${shortName}`,
      });
    }
    if (type.isWithheld) {
      findings.push({
        severity: 'broken',
        what: `${shortName} is withheld from clients that start`,
        sentence: `${shortName} is withheld from clients that start: it is as of ${age(type)}`,
        toDo: 'mend the control plane, or allow more (settings maxAge, startup)',
      });
    } else if (type.isStale) {
      findings.push({
        severity: 'degraded',
        what: `${shortName} is older than allowed`,
        sentence: `${shortName} is older than allowed: it is as of ${age(type)}`,
        toDo: 'mend the control plane, or allow more (setting maxAge)',
      });
    }
  }
  return findings;
}

function age({ ageMs }: TypeReport): string {
  return ageMs === undefined ? 'an unknown time' : `${formatAge(ageMs)} ago`;
}

function served(what: TypeReport['quarantined'][number]['served']): string {
  if (what === 'nothing') return 'nothing of it';
  return what === 'last accepted' ? 'the content before it' : 'it all the same: there is nothing better';
}

function diskFindings({ cache, nowWallMs }: AgentReport): Finding[] {
  if (cache?.state !== 'failing') return [];
  const since = cache.sinceWallMs === undefined ? '' : ` for ${formatAge(nowWallMs - cache.sinceWallMs)}`;
  const words = oneLine(cache.error ?? 'no reason given');
  return [
    {
      severity: 'degraded',
      what: 'the disk cache cannot be written',
      sinceWallMs: cache.sinceWallMs,
      words,
      sentence: `the disk cache cannot be written${since}: ${words}`,
      toDo: 'make room, or mend the volume of the cache directory; the agent then goes on by itself',
    },
  ];
}

function refusalFindings({ refusals, nowWallMs }: AgentReport): Finding[] {
  const lately = refusals.filter(one => one.lastWallMs > nowWallMs - refusedLatelyMs);
  const [newest] = lately;
  if (!newest) return [];
  const who = newest.nodeId === '' ? 'a client that has not said who it is' : `client '${oneLine(newest.nodeId, 80)}'`;
  const others = lately.length > 1 ? ` (and ${countOf(lately.length - 1, 'other')})` : '';
  const times = newest.times > 1 ? ` (${newest.times} times)` : '';
  return [
    {
      severity: 'degraded',
      what: `${who}${others} was refused`,
      words: oneLine(newest.reason, 160),
      sentence: `${who}${others} was refused ${formatAge(nowWallMs - newest.lastWallMs)} ago${times}: ${oneLine(newest.reason, 160)}`,
      command: 'weir events --kind client',
    },
  ];
}

/** What the agent would serve if it were started anew now. */
function restartOf(report: AgentReport): Verdict['restart'] {
  const { types, upstreams, cache, isSeeded } = report;
  const held = types.filter(type => type.resources > 0 || type.state === 'known');
  const isAway = upstreams.some(one => one.isInUse && one.phase !== 'open' && one.phase !== 'idle');
  const unconfirmed = held.filter(type => !type.isCurrent);
  if (held.length === 0) return { isSafe: true, why: 'nothing is held that could be lost' };
  if (!isAway && unconfirmed.length === 0) {
    const besides = cache?.state === 'ok' ? ', and it is on disk' : '';
    return { isSafe: true, why: `the control plane answers and gives again what is held${besides}` };
  }
  const secrets = types.reduce((sum, type) => sum + (type.shortName === 'SDS' ? type.resources : 0), 0);
  if (cache?.state === 'ok' && secrets > 0 && !cache.keepsSecrets) {
    const what = `${countOf(secrets, 'secret')} ${secrets === 1 ? 'is' : 'are'} in memory only (setting secrets)`;
    return {
      isSafe: false,
      why: `${what}, and the control plane does not answer: what needs them would wait. A restart of Envoy alone is safe`,
    };
  }
  if (cache?.state === 'ok') {
    return { isSafe: true, why: 'what is held is on disk, and served from there until the control plane answers' };
  }
  const lost = `the control plane does not answer, and ${cache ? 'the disk cannot be written' : 'there is no disk cache (setting cacheDir)'}`;
  const seed = isSeeded ? 'only the seed would be left' : 'clients that start would get nothing';
  return { isSafe: false, why: `${lost}: ${seed}` };
}
