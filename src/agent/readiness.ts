import type { AgentReport } from '../admin/reports.ts';
import type { HealthVerdict } from '../admin/source.ts';
import { countOf } from '../admin/words.ts';

/** What readiness depends on besides the report. */
export interface ReadinessSettings {
  /** How long an agent without clients may stay unready for want of an upstream, in ms. */
  readonly readyGraceMs: number;
  /** Demand a live upstream stream, too. */
  readonly isStrict: boolean;
}

/** Whether the agent listens. It waits for no client and no control plane: a pod's startupProbe would deadlock on them. */
export function startedVerdict(report: AgentReport): HealthVerdict {
  if (report.isListening) return { isOk: true, reason: 'listening' };
  return { isOk: false, reason: report.isDraining ? 'draining' : 'not listening yet' };
}

/**
 * Whether the agent is of use. Without clients: something can be served, or upstream answers, or the grace is over. With clients: what
 * they asked for is complete. A control plane that goes away changes nothing, or an outage would take every pod out of service.
 */
export function readyVerdict(report: AgentReport, settings: ReadinessSettings): HealthVerdict {
  const verdict = verdictOf(report, settings);
  const remarks = remarksOn(report);
  return remarks.length === 0 ? verdict : { ...verdict, reason: `${verdict.reason}; ${remarks.join('; ')}` };
}

/** What can be seen of a core without a report of everything. */
interface Serving {
  readonly isDraining: boolean;
  views(): Iterable<{
    readonly types: ReadonlyMap<unknown, { readonly store: { readonly isKnown: boolean; readonly size: number } }>;
    sessions(): Iterable<{ readonly isOpen: boolean }>;
  }>;
}

/** Whether configuration can be had here (R127): from the control plane, or from what is held in an outage. */
export function isServing(core: Serving): boolean {
  if (core.isDraining) return false;
  for (const view of core.views()) {
    for (const { isOpen } of view.sessions()) if (isOpen) return true;
    for (const { store } of view.types.values()) if (store.isKnown || store.size > 0) return true;
  }
  return false;
}

/** What does not make the agent useless but has to be known. */
function remarksOn(report: AgentReport): string[] {
  const remarks: string[] = [];
  const held = report.types.filter(type => type.source !== 'none' && (type.resources > 0 || type.state === 'known'));
  const unconfirmed = held.filter(type => !type.isCurrent);
  if (unconfirmed.length > 0) {
    const ageMs = Math.max(...unconfirmed.map(type => type.ageMs ?? 0));
    const names = [...new Set(unconfirmed.map(type => type.shortName))];
    remarks.push(`serving ${names.join(', ')} as of ${Math.round(ageMs / 1000)} s ago`);
  }
  const old = report.types.filter(type => type.isStale);
  if (old.length > 0) remarks.push(`older than allowed: ${[...new Set(old.map(type => type.shortName))].join(', ')}`);
  const quarantined = report.types.reduce((sum, type) => sum + type.quarantined.length, 0);
  if (quarantined > 0) remarks.push(`${countOf(quarantined, 'resource')} in quarantine (weir status)`);
  if (report.types.some(type => type.heldRemovals > 0)) remarks.push('the guard holds removals back (weir guard pass)');
  if (report.cache?.state === 'failing') remarks.push(`the cache cannot be written: ${report.cache.error}`);
  return remarks;
}

function verdictOf(report: AgentReport, settings: ReadinessSettings): HealthVerdict {
  const started = startedVerdict(report);
  if (!started.isOk) return started;
  const isConnected = report.upstreams.some(upstream => upstream.phase === 'open');
  if (settings.isStrict && !isConnected) {
    const error = report.upstreams.find(upstream => upstream.lastError !== undefined)?.lastError;
    return { isOk: false, reason: `no stream to the control plane${error === undefined ? '' : ` (${error})`}` };
  }
  // A stream that has not asked for anything yet says nothing about what is served.
  const clients = report.clients.filter(client => client.types.length > 0);
  if (clients.length === 0) {
    if (report.types.some(type => type.state === 'known')) return { isOk: true, reason: 'configuration is cached' };
    if (report.isSeeded) return { isOk: true, reason: 'a seed is there' };
    if (isConnected) return { isOk: true, reason: 'connected to the control plane' };
    const waitedMs = report.nowWallMs - report.startedWallMs;
    if (waitedMs >= settings.readyGraceMs)
      return { isOk: true, reason: 'no client yet, and the grace period has passed' };
    return {
      isOk: false,
      reason: `no client and no control plane yet (grace ends in ${settings.readyGraceMs - waitedMs} ms)`,
    };
  }
  for (const client of clients) {
    const waiting = client.types.filter(type => !type.isComplete).map(type => type.shortName);
    if (waiting.length > 0) {
      return { isOk: false, reason: `client '${client.nodeId}' still waits for ${waiting.join(', ')}` };
    }
  }
  return { isOk: true, reason: `what the clients asked for is complete (streams: ${clients.length})` };
}
