import type { RpcStatus, Variant } from '../xds/types.ts';
import type { RecordedEvent, RecordedRequest } from './format.ts';

/** One recorded stream, from its opening on. */
export interface RecordedStream {
  readonly variant: Variant;
  /** `node.id` of its first request; empty where there was none. */
  readonly nodeId: string;
  readonly events: readonly RecordedEvent[];
}

/** The streams of a recording that came to stand, or that the server refused with a status of its own, in their order. */
export function streamsOf(events: Iterable<RecordedEvent>): RecordedStream[] {
  const streams = new Map<number, { variant: Variant; nodeId: string; events: RecordedEvent[] }>();
  for (const event of events) {
    if (event.kind === 'open') streams.set(event.stream, { variant: event.variant, nodeId: '', events: [] });
    const stream = streams.get(event.stream);
    if (!stream) continue;
    if (event.kind === 'request') stream.nodeId ||= event.request.nodeId ?? '';
    stream.events.push(event);
  }
  return [...streams.values()].filter(({ events: all }) => all.some(({ kind }) => kind === 'opened'));
}

/** What the replaying control plane does next. */
export type ReplayAction =
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: 'end'; readonly status: RpcStatus };

/** What a client said otherwise than it was recorded. */
export interface Difference {
  /** `names`: what it asked for in the end; `node`: who it said to be. */
  readonly kind: 'unexpected' | 'missing' | 'names' | 'node';
  /** What it said, or did not say. */
  readonly said: string;
}

/** What a request is, as far as it matters for what comes next. */
type Word = 'first' | 'ack' | 'nack' | 'change';

interface Expected {
  readonly typeUrl: string;
  readonly word: Word;
  readonly request: RecordedRequest;
  isSaid: boolean;
}

type Step =
  | { readonly kind: 'request'; readonly expected: Expected }
  | { readonly kind: 'action'; readonly at: number; readonly action: ReplayAction };

/** How long a request that was recorded is waited for before it goes on without it, in ms. */
const patienceMs = 2_000;

/** Tells what each request of a stream is, and what they come to. Its life is the stream's. */
class Listener {
  /** Names asked for, by type. */
  readonly asked = new Map<string, ReadonlySet<string>>();
  readonly #variant: Variant;
  readonly #answered = new Set<string>();

  constructor(variant: Variant) {
    this.#variant = variant;
  }

  wordOf(request: RecordedRequest): Word {
    const { typeUrl, nonce = '', error } = request;
    const before = this.asked.get(typeUrl);
    this.asked.set(typeUrl, this.#namesAfter(request, before ?? new Set()));
    if (!before) return 'first';
    if (error) return 'nack';
    // A second request with a nonce is no second answer.
    if (nonce === '' || this.#answered.has(nonce)) return 'change';
    this.#answered.add(nonce);
    return 'ack';
  }

  #namesAfter({ names = [], unsubscribe = [] }: RecordedRequest, before: ReadonlySet<string>): ReadonlySet<string> {
    if (names === 'same') return before;
    if (this.#variant === 'sotw') return new Set(names);
    const after = new Set([...before, ...names]);
    for (const name of unsubscribe) after.delete(name);
    return after;
  }
}

/**
 * Plays the server's part of a recorded stream: what was sent is sent again once the client has said what it had said before, in whichever order,
 * or has been waited for long enough. So a client that behaves otherwise gets to the end as well, and what it did otherwise is known.
 */
export class ReplayScript {
  readonly #steps: readonly Step[];
  readonly #isPaced: boolean;
  readonly #nodeId: string;
  readonly #recorded: Listener;
  readonly #listener: Listener;
  readonly #expected: Expected[] = [];
  readonly #differences: Difference[] = [];
  #position = 0;
  #isBegun = false;
  /** When the step before was done, here and in the recording, monotonic in ms. */
  #doneMs = 0;
  #doneAt = 0;
  #sent = 0;

  /** @param isPaced keep the times of the recording; else each step comes as soon as it may */
  constructor(stream: RecordedStream, isPaced: boolean) {
    this.#isPaced = isPaced;
    this.#nodeId = stream.nodeId;
    this.#listener = new Listener(stream.variant);
    this.#recorded = new Listener(stream.variant);
    const steps: Step[] = [];
    for (const event of stream.events) {
      const { at } = event;
      if (event.kind === 'request') {
        const { request } = event;
        const expected = { typeUrl: request.typeUrl, word: this.#recorded.wordOf(request), request, isSaid: false };
        this.#expected.push(expected);
        steps.push({ kind: 'request', expected });
      } else if ((event.kind === 'response' || event.kind === 'garbage') && event.bytes) {
        steps.push({ kind: 'action', at, action: { kind: 'send', bytes: event.bytes } });
      } else if (event.kind === 'ended') {
        steps.push({ kind: 'action', at, action: { kind: 'end', status: event.status } });
      }
    }
    this.#steps = steps;
    this.#doneAt = stream.events[0]?.at ?? 0;
  }

  /** Responses sent so far, and of how many. */
  get progress(): { readonly sent: number; readonly of: number } {
    const of = this.#steps.filter(step => step.kind === 'action' && step.action.kind === 'send').length;
    return { sent: this.#sent, of };
  }

  get isOver(): boolean {
    return this.#position >= this.#steps.length;
  }

  /** What was said otherwise; what was not said at all counts once the script is over. */
  differences(): readonly Difference[] {
    if (!this.isOver) return this.#differences;
    const missing = this.#expected.filter(({ isSaid }) => !isSaid);
    return [
      ...this.#differences,
      ...missing.map(one => ({ kind: 'missing', said: describe(one) }) as const),
      ...this.#otherNames(),
    ];
  }

  /** Types of which other names were asked for in the end. */
  *#otherNames(): Generator<Difference> {
    for (const [typeUrl, recorded] of this.#recorded.asked) {
      const asked = this.#listener.asked.get(typeUrl);
      if (!asked) continue;
      const more = [...asked].filter(name => !recorded.has(name));
      const fewer = [...recorded].filter(name => !asked.has(name));
      if (more.length + fewer.length === 0) continue;
      yield { kind: 'names', said: `${typeUrl}: ${[...listed('also', more), ...listed('without', fewer)].join('; ')}` };
    }
  }

  /** The client's stream stands. */
  begin(nowMs: number): ReplayAction[] {
    this.#isBegun = true;
    this.#doneMs = nowMs;
    return this.advance(nowMs);
  }

  /** The client said something. */
  heard(request: RecordedRequest, nowMs: number): ReplayAction[] {
    const { nodeId } = request;
    if (nodeId !== undefined && this.#nodeId !== '' && nodeId !== this.#nodeId) {
      this.#differences.push({ kind: 'node', said: `${nodeId}, not ${this.#nodeId}` });
    }
    const word = this.#listener.wordOf(request);
    const expected = this.#expected.find(one => !one.isSaid && one.typeUrl === request.typeUrl && one.word === word);
    if (expected) expected.isSaid = true;
    else {
      const said = describe({ typeUrl: request.typeUrl, word, request });
      this.#differences.push({ kind: 'unexpected', said });
    }
    return this.advance(nowMs);
  }

  /** What is due by now. */
  advance(nowMs: number): ReplayAction[] {
    const actions: ReplayAction[] = [];
    while (this.#isBegun && this.#dueAtMs() <= nowMs) {
      const step = this.#steps[this.#position++];
      if (step?.kind !== 'action') continue;
      this.#doneMs = nowMs;
      this.#doneAt = step.at;
      if (step.action.kind === 'send') this.#sent++;
      actions.push(step.action);
    }
    return actions;
  }

  /** When {@link advance} has something to do that it has not now, monotonic in ms; Infinity for never. */
  nextDeadlineMs(): number {
    return this.#isBegun ? this.#dueAtMs() : Infinity;
  }

  #dueAtMs(): number {
    const step = this.#steps[this.#position];
    if (!step) return Infinity;
    if (step.kind === 'request') return step.expected.isSaid ? -Infinity : this.#doneMs + patienceMs;
    return this.#isPaced ? this.#doneMs + (step.at - this.#doneAt) : -Infinity;
  }
}

const namesShown = 5;

function listed(how: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > namesShown ? ` and ${names.length - namesShown} more` : '';
  return [`${how} ${names.slice(0, namesShown).join(', ')}${more}`];
}

const words: Readonly<Record<Word, string>> = {
  first: 'the first request',
  ack: 'an ACK',
  nack: 'a NACK',
  change: 'a change of names',
};

function describe({ typeUrl, word, request }: Omit<Expected, 'isSaid'>): string {
  const { nonce, error } = request;
  const of = nonce === undefined || nonce === '' ? '' : ` of ${nonce}`;
  return `${words[word]} for ${typeUrl}${of}${error ? `: ${error.message}` : ''}`;
}
