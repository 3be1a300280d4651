import type { DriftCheck } from '../admin/drift-report.ts';
import type { SessionNote } from '../upstream/session-events.ts';
import { unreachable } from '../xds/assert.ts';
import { traitsOf } from '../xds/type-urls.ts';
import { grpcCode } from '../xds/types.ts';
import type { Note } from './events.ts';
import { spanWords } from './span-words.ts';

/** A note as a log line: level, sentence, fields. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A client's words in a log line: Envoy quotes whole resources in them (R52). */
const quotedMax = 300;
/** Why a stream ended: what a server has shown and what was expected of it is long. */
const causeMax = 1_000;
const namesMax = 5;

function describeDenial({ what, typeUrl, client, names }: Note & { kind: 'scope_denied' }): LogLine {
  const type = traitsOf(typeUrl).shortName;
  const fields = { type, ...(client && { streamId: client.streamId, node: client.nodeId }) };
  const some = { ...fields, count: names.length, names: names.slice(0, namesMax).map(name => clip(name, quotedMax)) };
  switch (what) {
    case 'names':
      return line('warn', 'client asked for resources that no scope opens to it (setting scopes)', some);
    case 'type':
      return line(
        'warn',
        'client asked for a type that no scope opens to it; it is given none of it (setting scopes)',
        fields,
      );
    case 'wildcard':
      return line('info', 'client is given the part of a type that its scope opens (setting scopes)', fields);
    case 'upstream':
      // Not even their names: whoever may read the log of this agent may not see them.
      return line('info', 'resources of namespaces that no client here may see are not kept (setting scopes)', {
        ...fields,
        count: names.length,
      });
    default:
      return unreachable(what);
  }
}

/** Turns a note into a log line; undefined for what happens too often to be told. */
export function describe(note: Note): LogLine | undefined {
  switch (note.kind) {
    case 'client_attached': {
      const { streamId, nodeId: node, variant, listener } = note;
      return line('info', 'client connected', { streamId, node, variant, listener });
    }
    case 'client_detached':
      return line('info', 'client left', { streamId: note.streamId, node: note.nodeId });
    case 'client_refused':
      return line('warn', `client refused: ${clip(note.reason, causeMax)}`, {
        streamId: note.streamId,
        ...(note.nodeId !== '' && { node: clip(note.nodeId, quotedMax) }),
        listener: note.listener,
        code: note.code,
      });
    case 'client_nack': {
      const { streamId, nodeId: node, typeUrl } = note;
      const type = traitsOf(typeUrl).shortName;
      return line('warn', `client rejected ${type}: ${clip(note.message, quotedMax)}`, { streamId, node, type });
    }
    case 'client_sent':
      return undefined;
    case 'scope_denied':
      return describeDenial(note);
    case 'view_opened': {
      const { viewKey: view, nodeId: node } = note;
      if (note.replaces === undefined) return line('info', `serving node '${node}'`, { view, node });
      return line('info', `serving node '${node}' in place of one that nobody uses`, {
        view,
        node,
        replaces: note.replaces,
      });
    }
    case 'secrets_over_tcp':
      return line(
        'warn',
        'secrets are asked for over plain TCP, where every process of the machine may ask (setting sdsOverTcp)',
        {
          listener: note.listener,
        },
      );
    case 'view_idle':
      return line('info', 'a node that nobody uses was put away', { view: note.viewKey });
    case 'upstream':
      return describeSession(note.note, note.group, note.isTrial);
    case 'response_applied': {
      const { kind: _, typeUrl, ...fields } = note;
      return line('debug', 'response applied', { type: traitsOf(typeUrl).shortName, ...fields });
    }
    case 'content_changed':
      // With its names it is told as an event; a line for each would drown the rest.
      return undefined;
    case 'response_refused':
      return line('warn', `control plane's response refused: ${note.reason}`, {
        type: traitsOf(note.typeUrl).shortName,
      });
    case 'response_broken':
      return line('error', `control plane's stream closed: ${note.reason}`, { group: note.group });
    case 'response_unasked':
      return line('warn', 'control plane sent a type that nobody asked for; ignored', { type: note.typeUrl });
    case 'upstream_answered': {
      const type = traitsOf(note.typeUrl).shortName;
      if (note.verdict === 'ack') return line('debug', 'acknowledged to the control plane', { type });
      return line('warn', `rejected to the control plane: ${clip(note.reason ?? '', quotedMax)}`, { type });
    }
    case 'type_isolated': {
      const type = traitsOf(note.typeUrl).shortName;
      const then = note.isMuted ? 'which is not asked for any more' : 'which gets one of its own';
      return line('warn', `the control plane ends streams over ${type}, ${then}`, {
        type,
        reason: clip(note.reason, quotedMax),
      });
    }
    case 'type_complete':
      return line('info', 'type complete', { type: traitsOf(note.typeUrl).shortName, resources: note.resources });
    case 'names_missing': {
      const type = traitsOf(note.typeUrl).shortName;
      const names = note.names.slice(0, namesMax).map(name => clip(name, 100));
      const why = note.reason === 'inferred' ? 'answered without them' : 'gave no answer in time';
      return line('info', `names do not exist: the control plane ${why}`, { type, names, count: note.names.length });
    }
    case 'view_restored': {
      const { viewKey: view, provenance, types } = note;
      return line('info', `configuration restored from ${provenance}`, { view, types });
    }
    case 'type_restored': {
      const { kind: _, typeUrl, isKnown, ageMs, ...fields } = note;
      const type = traitsOf(typeUrl).shortName;
      const ageSeconds = Math.round(ageMs / 1000);
      return line('info', `${type} restored${isKnown ? '' : ' name by name'}`, { type, ageSeconds, ...fields });
    }
    case 'quarantined': {
      const type = traitsOf(note.typeUrl).shortName;
      const names = note.names.slice(0, namesMax).map(name => clip(name, 100));
      const who = note.isNamed ? '' : ', without saying which';
      return line(
        'warn',
        `in quarantine: every client that answered rejected it${who}: ${clip(note.words, quotedMax)}`,
        {
          type,
          names,
          count: note.names.length,
        },
      );
    }
    case 'guard_alarm': {
      const type = traitsOf(note.typeUrl).shortName;
      const { gone, held, graceMs } = note;
      const part =
        held === 1 ? `the only ${type} resource` : gone === held ? `all ${held} ${type} resources` : undefined;
      const what = `the control plane removes ${part ?? `${gone} of ${held} ${type} resources`} right after a connect`;
      if (note.action === 'warn') return line('warn', `${what} (setting guard)`, { type, gone, held });
      const kept = gone === 1 ? 'it is kept' : 'they are kept';
      return line('error', `${what}; ${kept} for ${spanWords(graceMs)}, or until weir guard pass`, {
        type,
        gone,
        held,
      });
    }
    case 'guard_released': {
      const type = traitsOf(note.typeUrl).shortName;
      const why = note.reason === 'grace' ? 'the grace is over' : 'let pass by an operator';
      return line('warn', `removals that were held back take effect: ${why}`, { type, count: note.names });
    }
    case 'resources_expired':
      return line('info', 'resources outlived their TTL', {
        type: traitsOf(note.typeUrl).shortName,
        names: note.names.slice(0, namesMax).map(name => clip(name, 100)),
        count: note.names.length,
      });
    case 'type_stale': {
      const type = traitsOf(note.typeUrl).shortName;
      const ageSeconds = Math.round(note.ageMs / 1000);
      const what = note.action === 'withhold' ? 'withheld from clients that start' : 'served all the same';
      return line(note.action === 'serve' ? 'debug' : 'warn', `older than allowed (setting maxAge): ${what}`, {
        type,
        ageSeconds,
        maxAgeSeconds: note.maxAgeMs / 1000,
      });
    }
    case 'drift_checked':
      return describeDrift(note.check);
    case 'drain_started':
      return line('info', 'draining: clients are told to go', { clients: note.clients });
    default:
      return unreachable(note);
  }
}

function describeDrift({ outcome, reason, group, address, types }: DriftCheck): LogLine {
  const about = { group, address };
  if (outcome === 'failed') return line('warn', `drift check failed: ${clip(reason ?? '', causeMax)}`, about);
  const open = types.filter(type => type.isOpen).map(type => type.shortName);
  if (outcome === 'incomplete') {
    return line(
      'warn',
      `drift check: no difference, but the control plane has not answered for ${open.join(', ')}`,
      about,
    );
  }
  const fetched = types.reduce((sum, type) => sum + type.fetched, 0);
  if (outcome === 'same')
    return line('info', 'drift check: what is held is what the control plane has', { ...about, fetched });
  const drifted = types.flatMap(({ shortName, missing, extra, different }) => {
    const counts = [
      missing.count > 0 ? `${missing.count} missing` : '',
      extra.count > 0 ? `${extra.count} too many` : '',
      different.count > 0 ? `${different.count} different` : '',
    ].filter(Boolean);
    return counts.length > 0 ? [`${shortName}: ${counts.join(', ')}`] : [];
  });
  const names = types.flatMap(({ missing, extra, different }) => [
    ...missing.names,
    ...extra.names,
    ...different.names,
  ]);
  const some = names.slice(0, namesMax).map(name => clip(name, 100));
  return line('error', `DRIFT: what is held is not what the control plane has: ${drifted.join('; ')}`, {
    ...about,
    names: some,
  });
}

function describeSession(note: SessionNote, group: string, isTrial: boolean): LogLine {
  switch (note.kind) {
    case 'stream_opening': {
      const { address, variant } = note;
      // While the primary is away another one is in use, and it is tried every few seconds.
      if (isTrial) return line('debug', 'trying another control plane', { address, variant, group });
      return line('info', 'connecting to the control plane', { address, variant, group });
    }
    case 'stream_opened': {
      const { address, variant } = note;
      if (isTrial) return line('debug', 'another control plane was reached', { address, variant, group });
      return line('info', 'connected to the control plane', { address, variant, group });
    }
    case 'stream_answered': {
      const { address, variant } = note;
      return line('debug', 'the control plane answers', { address, variant, group });
    }
    case 'stream_lost': {
      const { address, code, message, retryInMs, wasOpen, isPlanned } = note;
      const said = clip(message, causeMax) || 'no reason given';
      if (isTrial) return line('debug', `another control plane's stream ended: ${said}`, { address, code, group });
      if (!wasOpen) return line('warn', `cannot reach the control plane: ${said}`, { address, code, retryInMs, group });
      // A stream that ends well is a control plane that balances its load or restarts: no reason to worry anybody.
      const level = code === grpcCode.ok || isPlanned ? 'info' : 'warn';
      return line(level, `control plane's stream ended: ${said}`, { address, code, retryInMs, group });
    }
    case 'server_changed': {
      const { from, to, open } = note;
      const fields = { from, to, group, ...(open.length > 0 && { open }) };
      const rest = open.length > 0 ? `; it has said nothing of ${open.join(', ')}` : '';
      return line('warn', `the control plane at ${to} is in use now, in place of ${from}${rest}`, fields);
    }
    case 'server_passed_over': {
      const { address, isSilent } = note;
      const why = isSilent
        ? 'says nothing'
        : 'has nothing for this node, which only guard off would take (setting guard)';
      return line('warn', `the control plane at ${address} ${why}; what is held is served on`, { address, group });
    }
    case 'stream_recycled':
      return line('info', `upstream stream opened anew ${note.reason}`, { group });
    case 'variant_changed':
      return line('warn', `upstream variant is ${note.variant} now: ${note.reason}`, { group });
    default:
      return unreachable(note);
  }
}

function line(level: LogLine['level'], message: string, fields: Readonly<Record<string, unknown>>): LogLine {
  return { level, message, fields };
}

/** Words of others, of a length that a log can bear and without what moves a terminal's cursor. */
function clip(text: string, max: number): string {
  const plain = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return plain.length > max ? `${plain.slice(0, max)}…` : plain;
}
