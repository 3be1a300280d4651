import type { AgentEvent, EventQuery, NameList } from '../admin/agent-event.ts';
import { isAsked, toldNameMax } from '../admin/event-pages.ts';
import type { ContentChange } from './content-change.ts';

/** Events of changed content kept at most: some minutes of a control plane that pushes without a pause. */
const updatesMax = 4_000;
/** All other events kept at most, apart from those, so that they outlive them. */
const incidentsMax = 1_000;
/** Names told in one event, of each kind; how many there were is told besides. */
const namesMax = 50;
/** Longest message, in characters. */
const messageLengthMax = 1_000;
/** Size of all events of either kind together, in characters: past it the oldest go. */
const charactersMax = 512 * 1024;

/** Something that has happened, before it has a number. */
export type Occurrence = Omit<AgentEvent, 'seq' | 'times' | 'lastWallMs' | 'names' | 'resources'> & {
  readonly names?: ContentChange;
  readonly resources?: readonly string[];
  /** How often it has happened since it was told last; once without it. */
  readonly times?: number;
};

/** What the agent went through lately, in memory: a bounded number of events, each told to whoever watches. */
export class Journal {
  readonly #updates = new Ring(updatesMax);
  readonly #incidents = new Ring(incidentsMax);
  readonly #watchers = new Set<(event: AgentEvent) => void>();
  #lastSeq = 0;

  /** Number of the newest event, 0 before one. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Takes in what has happened. The same again right after, of the same resources, is the same event, counted. */
  add(occurrence: Occurrence): void {
    const { names, resources, times = 1, ...rest } = told(occurrence);
    const ring = occurrence.kind === 'update' ? this.#updates : this.#incidents;
    const { last } = ring;
    const about = resources && listOf(resources);
    if (last && !names && isSame(last, { ...rest, resources: about })) {
      const again = { ...last, times: last.times + times, lastWallMs: occurrence.wallMs };
      ring.replaceLast(again);
      this.#tell(again);
      return;
    }
    const event: AgentEvent = {
      seq: ++this.#lastSeq,
      ...rest,
      times,
      lastWallMs: occurrence.wallMs,
      ...(about && { resources: about }),
      ...(names && {
        names: { added: listOf(names.added), changed: listOf(names.changed), removed: listOf(names.removed) },
      }),
    };
    ring.push(event);
    this.#tell(event);
  }

  /** Events that are asked for, in their order. */
  *events(query: EventQuery): Generator<AgentEvent> {
    const { afterSeq = 0, sinceWallMs = 0 } = query;
    for (const event of this.#inOrder()) {
      if (event.seq > afterSeq && event.lastWallMs >= sinceWallMs && isAsked(query, event)) yield event;
    }
  }

  /** Is told every event from now on, a repeated one with its number once more. Returns how to end that. */
  watch(watcher: (event: AgentEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  *#inOrder(): Generator<AgentEvent> {
    // Whoever reads slowly reads what there was when it asked.
    const updates = [...this.#updates.events];
    const incidents = [...this.#incidents.events];
    let at = 0;
    for (const incident of incidents) {
      for (let next = updates[at]; next && next.seq < incident.seq; next = updates[at]) {
        yield next;
        at++;
      }
      yield incident;
    }
    yield* updates.slice(at);
  }

  #tell(event: AgentEvent): void {
    for (const watcher of this.#watchers) watcher(event);
  }
}

/** Events in their order, of a bounded number and size. */
class Ring {
  readonly events: AgentEvent[] = [];
  readonly #lengthMax: number;
  #characters = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get last(): AgentEvent | undefined {
    return this.events.at(-1);
  }

  push(event: AgentEvent): void {
    this.events.push(event);
    this.#characters += sizeOf(event);
    while (this.events.length > 1 && (this.events.length > this.#lengthMax || this.#characters > charactersMax)) {
      const gone = this.events.shift();
      if (gone) this.#characters -= sizeOf(gone);
    }
  }

  /** @param event of the same size */
  replaceLast(event: AgentEvent): void {
    this.events[this.events.length - 1] = event;
  }
}

type Told = Pick<
  AgentEvent,
  'kind' | 'level' | 'message' | 'viewKey' | 'typeUrl' | 'streamId' | 'nodeId' | 'resources'
>;

function isSame(
  event: AgentEvent,
  { kind, level, message, viewKey, typeUrl, streamId, nodeId, resources }: Told,
): boolean {
  return (
    event.kind === kind &&
    event.level === level &&
    event.message === message &&
    event.viewKey === viewKey &&
    event.typeUrl === typeUrl &&
    event.streamId === streamId &&
    event.nodeId === nodeId &&
    isSameList(event.resources, resources)
  );
}

function isSameList(one: NameList | undefined, other: NameList | undefined): boolean {
  if (!one || !other) return one === other;
  return one.count === other.count && one.names.every((name, at) => name === other.names[at]);
}

/** What a client or a control plane wrote is as long as it likes. */
function told({ message, nodeId, typeUrl, shortName, ...rest }: Occurrence): Occurrence {
  return {
    ...rest,
    message: message.length > messageLengthMax ? `${ownText(message, messageLengthMax)}…` : ownText(message),
    ...(nodeId !== undefined && { nodeId: toldName(nodeId) }),
    ...(typeUrl !== undefined && { typeUrl: toldName(typeUrl) }),
    ...(shortName !== undefined && { shortName: toldName(shortName) }),
  };
}

function listOf(names: readonly string[]): NameList {
  return { count: names.length, names: names.slice(0, namesMax).map(toldName) };
}

function toldName(name: string): string {
  return name.length > toldNameMax ? ownText(name, toldNameMax) : name;
}

/** A text of its own: a part of a string keeps the whole of it in memory. */
function ownText(text: string, max = text.length): string {
  return Buffer.from(text.slice(0, max)).toString();
}

function sizeOf({ message, nodeId = '', typeUrl = '', names, resources }: AgentEvent): number {
  let size = 100 + message.length + nodeId.length + typeUrl.length;
  for (const list of [names?.added, names?.changed, names?.removed, resources]) {
    for (const name of list?.names ?? []) size += name.length + 8;
  }
  return size;
}
