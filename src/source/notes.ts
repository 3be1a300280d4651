import type { IstioKind } from '../istio/kinds.ts';
import { unreachable } from '../xds/assert.ts';
import type { SourceNote } from './core.ts';
import type { SourceEvent } from './source-events.ts';

/** A log line: level, sentence, fields. */
export interface SourceLine {
  readonly level: 'debug' | 'info' | 'warn';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const namesMax = 5;
/** A client's words in a log line. */
const quotedMax = 300;

/** Turns what the source notes into a log line; undefined for what happens too often to be told. */
export function describeSource(note: SourceNote): SourceLine | undefined {
  switch (note.kind) {
    case 'client_attached': {
      const { streamId, nodeId: node, listener } = note;
      return { level: 'info', message: 'client connected', fields: { streamId, node, listener } };
    }
    case 'client_detached':
      return { level: 'info', message: 'client left', fields: { streamId: note.streamId, node: note.nodeId } };
    case 'client_refused': {
      const { streamId, code, reason } = note;
      return { level: 'warn', message: `client refused: ${reason}`, fields: { streamId, code } };
    }
    case 'client_nack': {
      const { streamId, nodeId: node, typeUrl: type, message } = note;
      const words = message.length > quotedMax ? `${message.slice(0, quotedMax)}…` : message;
      return { level: 'warn', message: `client rejected ${type}: ${words}`, fields: { streamId, node, type } };
    }
    case 'client_sent':
      return undefined;
    case 'read':
      return describeRead(note.event);
    default:
      return unreachable(note);
  }
}

function describeRead(event: SourceEvent): SourceLine {
  switch (event.kind) {
    case 'whole':
      return read(event.of, `${event.resources.length} read`, {});
    case 'changed': {
      const { of, resources, removed } = event;
      const changed = resources.slice(0, namesMax).map(({ name }) => name);
      const fields = { changed, removed: removed.slice(0, namesMax) };
      return read(of, `${resources.length} changed, ${removed.length} removed`, fields);
    }
    case 'mesh_config': {
      const what = event.any ? `${event.any.length} bytes read` : 'there is none';
      return { level: 'info', message: `MeshConfig: ${what}`, fields: {} };
    }
    case 'trouble':
      return { level: 'warn', message: event.text, fields: event.of ? { kind: event.of.kind } : {} };
    case 'recovered': {
      const what = event.of ? `${event.of.kind} can be read again` : 'everything can be read again';
      return { level: 'info', message: what, fields: {} };
    }
    default:
      return unreachable(event);
  }
}

function read({ kind }: IstioKind, what: string, fields: SourceLine['fields']): SourceLine {
  return { level: 'info', message: `${kind}: ${what}`, fields };
}
