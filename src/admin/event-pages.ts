import type { AgentEvent, EventQuery } from './agent-event.ts';
import type { AgentReport } from './reports.ts';
import type { AdminSource } from './source.ts';

/** Longest name that an event tells, in characters: of a longer one it tells the begin. */
export const toldNameMax = 256;

/**
 * Reads the query of `/events`: `since` (a time span like `5m`, back from now), `after` (a number), `type`, `view`, `name`, `kind` (may be repeated).
 *
 * @param lastEventId header of who comes back, as {@link serverSent} gave it; of no use after a restart
 */
export function eventQuery(
  query: URLSearchParams,
  lastEventId: string | undefined,
  { nowWallMs, startedWallMs, types }: Pick<AgentReport, 'nowWallMs' | 'startedWallMs' | 'types'>,
): EventQuery | { readonly error: string } {
  const since = query.get('since');
  const sinceMs = since === null ? undefined : spanMs(since);
  if (since !== null && sinceMs === undefined) return { error: `since is no time span like 90s, 5m, 2h: '${since}'` };
  const [, process, seq] = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(lastEventId ?? '') ?? [];
  // Whoever comes back after a restart asks with the same URL: its number is one of the process before.
  const own = process === String(startedWallMs) ? seq : undefined;
  const after = process === undefined ? (query.get('after') ?? undefined) : own;
  if (after !== undefined && !/^\d{1,15}$/.test(after)) return { error: `after is no number of an event: '${after}'` };
  const type = query.get('type') ?? undefined;
  const kinds = query.getAll('kind');
  return {
    afterSeq: after === undefined ? undefined : Number(after),
    sinceWallMs: sinceMs === undefined ? undefined : nowWallMs - sinceMs,
    typeUrl: types.find(one => one.shortName === type)?.typeUrl ?? type,
    viewKey: query.get('view') ?? undefined,
    name: query.get('name') ?? undefined,
    kinds: kinds.length > 0 ? kinds : undefined,
  };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads a time span like `90s`, `5m`, `2h`; in ms, undefined for what is none. */
export function spanMs(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unitMs[unit ?? ''];
  return factor === undefined ? undefined : Number(count) * factor;
}

/** Events as JSON, one a line. */
export function* renderEvents(source: AdminSource, query: EventQuery): Generator<string> {
  for (const event of source.events(query)) yield `${JSON.stringify(event)}\n`;
}

/**
 * An event as a server-sent one; its id lets a client that comes back say what it has.
 *
 * @param process what makes the numbers of this process's events differ from those of another one
 */
export function serverSent(event: AgentEvent, process: string): string {
  return `id: ${process}-${event.seq}\nevent: happened\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Whether an event is what was asked for. Of an event with more names than are told only those that are told are found. */
export function isAsked({ typeUrl, viewKey, name, kinds }: EventQuery, event: AgentEvent): boolean {
  if (typeUrl !== undefined && event.typeUrl !== typeUrl) return false;
  if (viewKey !== undefined && event.viewKey !== viewKey) return false;
  if (kinds && !kinds.includes(event.kind)) return false;
  return name === undefined || isAbout(event, name);
}

/** Whether an event names a resource. */
function isAbout({ names, resources }: AgentEvent, name: string): boolean {
  const told = name.slice(0, toldNameMax);
  return [names?.added, names?.changed, names?.removed, resources].some(list => list?.names.includes(told));
}
