import type { AgentEvent } from '../admin/agent-event.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl, ViewKey } from '../xds/types.ts';
import type { ChangeReason } from './content-change.ts';
import type { Note } from './events.ts';
import type { Occurrence } from './journal.ts';
import type { LogLine } from './notes.ts';

/** What people filter events by; undefined for what is none of their concern, or is told by another note besides. */
const kindOf: Readonly<Record<Note['kind'], AgentEvent['kind'] | undefined>> = {
  client_attached: 'client',
  client_detached: 'client',
  client_refused: 'client',
  client_nack: 'rejection',
  client_sent: undefined,
  scope_denied: 'scope',
  view_opened: 'client',
  secrets_over_tcp: 'client',
  view_idle: 'client',
  upstream: 'upstream',
  response_applied: undefined,
  content_changed: 'update',
  response_refused: 'rejection',
  response_broken: 'upstream',
  response_unasked: 'upstream',
  upstream_answered: 'rejection',
  type_isolated: 'upstream',
  type_complete: 'upstream',
  names_missing: 'missing',
  view_restored: 'restore',
  type_restored: 'restore',
  quarantined: 'quarantine',
  guard_alarm: 'guard',
  guard_released: 'guard',
  resources_expired: 'stale',
  type_stale: 'stale',
  drift_checked: 'drift',
  drain_started: 'agent',
};

const whyText: Readonly<Record<ChangeReason, string>> = {
  response: 'the control plane said so',
  switch: 'another control plane is in use',
  inferred: 'the control plane’s whole answer lacks it',
  guard: 'removals that the guard held back took effect',
  ttl: 'its TTL is over',
};

/** What is told of a note as an event. @param line of the same note in the log */
export function occurrenceOf(
  note: Note,
  line: LogLine | undefined,
  viewKey: ViewKey | undefined,
  wallMs: number,
): Occurrence | undefined {
  const kind = kindOf[note.kind];
  if (kind === undefined) return undefined;
  const about = { wallMs, kind, viewKey, ...subjectOf(note) };
  if (note.kind === 'content_changed') {
    const { added, changed, removed, why } = note;
    const counts = [
      added.length > 0 ? `${added.length} added` : '',
      changed.length > 0 ? `${changed.length} changed` : '',
      removed.length > 0 ? `${removed.length} removed` : '',
    ].filter(Boolean);
    const message = `${counts.join(', ')}: ${whyText[why]}`;
    return { ...about, level: 'info', message, why, names: { added, changed, removed } };
  }
  if (!line || line.level === 'debug') return undefined;
  return { ...about, level: line.level, message: line.message };
}

/** What is told of something besides the core's notes. */
export function lineOccurrence(kind: AgentEvent['kind'], line: LogLine, wallMs: number): Occurrence | undefined {
  return line.level === 'debug' ? undefined : { wallMs, kind, level: line.level, message: line.message };
}

function subjectOf(note: Note): Partial<Occurrence> {
  const typeUrl = 'typeUrl' in note ? note.typeUrl : undefined;
  return {
    ...(typeUrl !== undefined && { typeUrl, shortName: traitsOf(typeUrl as TypeUrl).shortName }), // Of a note: it is one.
    ...('streamId' in note && { streamId: note.streamId }),
    ...('nodeId' in note && { nodeId: note.nodeId }),
    ...('names' in note && typeof note.names !== 'number' && isTold(note) && { resources: note.names }),
  };
}

/** Names of what no client here may see are told to nobody. */
function isTold(note: Note): boolean {
  return note.kind !== 'scope_denied' || note.what !== 'upstream';
}
