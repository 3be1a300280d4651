import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Note } from '../../src/agent/events.ts';
import { LineChoice } from '../../src/agent/line-choice.ts';
import { spanWords } from '../../src/agent/span-words.ts';
import type { Telling } from '../../src/agent/telling.ts';
import type { SessionNote } from '../../src/upstream/session-events.ts';
import type { StreamGroup } from '../../src/xds/type-urls.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { grpcCode, type ViewKey } from '../../src/xds/types.ts';

const address = 'istiod:15012';
const view = 'a' as ViewKey;

/** A choice of lines under a clock that is set by hand, and what it tells at `info` and above. */
class Told {
  nowMs = 0;
  readonly #choice = new LineChoice();
  readonly #lines: string[] = [];
  /** Fields of the line told last. */
  fields: Readonly<Record<string, unknown>> = {};
  /** Messages of events, and how often they are counted. */
  readonly events = new Map<string, number>();

  note(note: Note, viewKey: ViewKey = view): void {
    this.#take(this.#choice.take(note, viewKey, this.#clock));
  }

  session(note: SessionNote, group: StreamGroup = 'main', viewKey = view): void {
    this.note({ kind: 'upstream', group, note, isTrial: false }, viewKey);
  }

  /** A dial that fails after a second. */
  failedDial(message = 'ECONNREFUSED', group: StreamGroup = 'main', viewKey = view): void {
    this.session({ kind: 'stream_opening', variant: 'delta', address }, group, viewKey);
    this.pass(1_000);
    this.session(lost({ message }), group, viewKey);
  }

  /** A dial that works. */
  dial(group: StreamGroup = 'main', viewKey = view): void {
    this.session({ kind: 'stream_opening', variant: 'delta', address }, group, viewKey);
    this.session({ kind: 'stream_opened', variant: 'delta', address }, group, viewKey);
    this.session({ kind: 'stream_answered', variant: 'delta', address }, group, viewKey);
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  /** What is looked for from time to time. */
  look(): void {
    this.#take(this.#choice.due(this.#clock));
  }

  end(): void {
    this.#take(this.#choice.rest(this.#clock));
  }

  lines(): string[] {
    return this.#lines.splice(0);
  }

  get #clock() {
    return { monotonicMs: this.nowMs, wallMs: 1_000_000 + this.nowMs };
  }

  #take(tellings: Iterable<Telling>): void {
    for (const { line, occurrence } of tellings) {
      if (line && line.level !== 'debug') {
        this.#lines.push(`${line.level} ${line.message}`);
        this.fields = line.fields;
      }
      if (occurrence) {
        const { message, times = 1 } = occurrence;
        this.events.set(message, (this.events.get(message) ?? 0) + times);
      }
    }
  }
}

function lost(change: Partial<SessionNote & { kind: 'stream_lost' }> = {}): SessionNote {
  const code = grpcCode.unavailable;
  const plain = { message: 'ECONNREFUSED', retryInMs: 500, wasOpen: false, isPlanned: false };
  return { kind: 'stream_lost', address, code, ...plain, ...change };
}

describe('the way up, line by line', () => {
  test('an outage is one line when it begins, one a minute, and one when it is over', () => {
    const told = new Told();
    told.dial();
    assert.deepEqual(told.lines(), ['info connecting to the control plane', 'info connected to the control plane']);
    told.session(lost({ message: 'gone', wasOpen: true }));
    assert.deepEqual(told.lines(), ["warn control plane's stream ended: gone"]);
    told.failedDial();
    assert.deepEqual(told.lines(), ['warn still no stream to the control plane after 1 s and 1 attempt: ECONNREFUSED']);
    for (let at = 0; at < 59; at++) told.failedDial();
    assert.deepEqual(told.lines(), []);
    told.failedDial();
    assert.deepEqual(told.lines(), [
      'warn still no stream to the control plane after 1 min 1 s and 61 attempts: ECONNREFUSED',
    ]);
    assert.deepEqual([told.fields['attempts'], told.fields['forSeconds']], [61, 61]);
    told.pass(500);
    told.dial();
    assert.deepEqual(told.lines(), ['info connected to the control plane again after 1 min 1 s, in attempt 62']);
    // The event is counted, not repeated.
    assert.equal(told.events.get('cannot reach the control plane: ECONNREFUSED'), 61);
  });

  test('another reason is told at once, one that differs in its numbers only is not', () => {
    const told = new Told();
    told.failedDial('connect ECONNREFUSED 10.0.0.1:15012');
    told.failedDial('connect ECONNREFUSED 10.0.0.2:15012');
    told.failedDial('certificate has expired');
    told.failedDial('connect ECONNREFUSED 10.0.0.1:15012');
    assert.deepEqual(told.lines().slice(1), [
      'warn cannot reach the control plane: connect ECONNREFUSED 10.0.0.1:15012',
      'warn still no stream to the control plane after 2 s and 3 attempts: certificate has expired',
    ]);
    for (let at = 0; at < 50; at++) told.failedDial(`reason ${'x'.repeat(at)}`);
    assert.ok(told.lines().length <= 8, 'whoever finds a new reason each time is told in part');
  });

  test('a server that takes the stream and ends it without a word is away', () => {
    const told = new Told();
    told.dial();
    told.session(lost({ code: grpcCode.unauthenticated, message: 'no', wasOpen: true }));
    for (let at = 0; at < 30; at++) {
      told.session({ kind: 'stream_opening', variant: 'delta', address });
      told.session({ kind: 'stream_opened', variant: 'delta', address });
      told.pass(1_000);
      told.session(lost({ code: grpcCode.unauthenticated, message: 'no', wasOpen: true }));
      told.look();
    }
    assert.deepEqual(told.lines().slice(2), ["warn control plane's stream ended: no"]);
  });

  test('a stream that stands is back although the server has nothing to say', () => {
    const told = new Told();
    told.failedDial();
    told.session({ kind: 'stream_opening', variant: 'delta', address });
    told.session({ kind: 'stream_opened', variant: 'delta', address });
    told.pass(4_000);
    told.look();
    assert.equal(told.lines().length, 2);
    told.pass(2_000);
    told.look();
    told.look();
    assert.deepEqual(told.lines(), ['info connected to the control plane again after 0 ms, in attempt 2']);
  });

  test('a stream that comes and goes is told a few times, and then once a minute', () => {
    const told = new Told();
    told.dial();
    told.lines();
    for (let at = 0; at < 300; at++) {
      told.session(lost({ message: 'reset', wasOpen: true }));
      told.pass(1_000);
      told.dial();
      told.look();
    }
    const lines = told.lines();
    assert.ok(lines.length >= 10 && lines.length <= 20, `${lines.length} lines in five minutes`);
    assert.ok(
      lines.some(line => /; it was lost \d+ times meanwhile$/.test(line)),
      lines.join('\n'),
    );
    told.pass(60_000);
    told.look();
    assert.match(told.lines().at(-1) ?? '', /^info connected to the control plane again after/);
  });

  test('of many streams that one server has lost one speaks, and another one when that is back', () => {
    const told = new Told();
    const views = Array.from({ length: 200 }, (_, at) => `view ${at}` as ViewKey);
    for (const one of views) told.dial('main', one);
    assert.equal(told.lines().length, 2);
    for (const one of views) told.session(lost({ message: 'reset', wasOpen: true }), 'main', one);
    assert.deepEqual(told.lines(), ["warn control plane's stream ended: reset"]);
    for (let at = 0; at < 61; at++) {
      for (const one of views) told.session({ kind: 'stream_opening', variant: 'delta', address }, 'main', one);
      told.pass(1_000);
      for (const one of views) told.session(lost(), 'main', one);
    }
    assert.equal(told.lines().length, 2, 'one for the other reason, one after a minute');
    assert.equal(told.fields['streams'], 200);
    for (const one of views.slice(1)) told.dial('main', one);
    told.look();
    assert.deepEqual(told.lines(), [], 'nobody was told that these were away');
    told.dial('main', views[0]);
    assert.match(told.lines().join(), /^info connected to the control plane again after 1 min 1 s/);
    told.failedDial('ECONNREFUSED', 'main', views[7]);
    assert.equal(told.lines().length, 1);
  });

  test('a switch to another server ends the outage of the one that is left', () => {
    const told = new Told();
    told.failedDial();
    told.session({ kind: 'server_changed', from: address, to: 'b:1', open: [] });
    told.lines();
    told.failedDial();
    assert.deepEqual(told.lines(), ['warn cannot reach the control plane: ECONNREFUSED']);
  });

  test('a node that is put away takes its outage along', () => {
    const told = new Told();
    told.failedDial();
    told.note({ kind: 'view_idle', viewKey: view });
    told.lines();
    told.failedDial('ECONNREFUSED', 'main', 'b' as ViewKey);
    assert.equal(told.lines().length, 1);
  });
});

describe('what clients do again and again', () => {
  const refused: Note = {
    kind: 'client_refused',
    streamId: 1,
    code: 7,
    reason: 'not allowed',
    listener: 'unix:/xds',
    nodeId: 'pilot',
  };
  const nack = (nodeId: string, content = 'c1', streamId = 1): Note => ({
    kind: 'client_nack',
    streamId,
    nodeId,
    typeUrl: clusterType,
    message: 'bad',
    content,
    names: [],
  });

  test('a client that is refused twice a second is one line at once and one a minute', () => {
    const told = new Told();
    for (let at = 0; at < 241; at++) {
      told.note({ ...refused, streamId: at });
      told.pass(500);
    }
    assert.deepEqual(told.lines(), [
      'warn client refused: not allowed',
      'warn client refused: not allowed (120 times more in 1 min)',
      'warn client refused: not allowed (120 times more in 1 min)',
    ]);
    assert.deepEqual(told.fields, { node: 'pilot', listener: 'unix:/xds', code: 7, times: 120 });
    assert.equal(told.events.get('client refused: not allowed'), 241);
  });

  test('another node, listener or reason is news', () => {
    const told = new Told();
    told.note(refused);
    told.note({ ...refused, nodeId: 'other' });
    told.note({ ...refused, listener: 'other' });
    told.note({ ...refused, reason: 'other' });
    assert.equal(told.lines().length, 4);
  });

  test('R101: a rejection is told once for words and content, then once a minute with how many clients have it', () => {
    const told = new Told();
    told.note(nack('a'));
    for (let at = 0; at < 40; at++) told.note(nack(`node ${at}`));
    told.note(nack('a', 'c2'));
    assert.deepEqual(told.lines(), ['warn client rejected CDS: bad', 'warn client rejected CDS: bad']);
    told.pass(60_000);
    told.look();
    assert.deepEqual(told.lines(), ['warn client rejected CDS: bad (40 times more in 1 min, by 40 clients)']);
    assert.equal(told.fields['clients'], 40);
    for (let at = 0; at < 3; at++) told.note(nack('b'));
    told.pass(60_000);
    told.look();
    assert.deepEqual(told.lines(), ['warn client rejected CDS: bad (3 times more in 1 min)']);
    assert.equal(told.fields['node'], 'b');
    told.pass(60_000);
    told.look();
    told.note(nack('b'));
    assert.deepEqual(told.lines(), ['warn client rejected CDS: bad'], 'after a minute of quiet it is news');
  });

  test('what was counted is told at the end, and when too much else has to be remembered', () => {
    const told = new Told();
    for (const _ of [1, 2, 3]) told.note(nack('a'));
    told.lines();
    told.end();
    assert.deepEqual(told.lines(), ['warn client rejected CDS: bad (2 times more in 0 ms)']);
    for (const _ of [1, 2]) told.note(nack('a'));
    for (let at = 0; at < 2_000; at++) told.note(nack('a', `content ${at}`));
    assert.deepEqual(
      told.lines().filter(line => line.includes('once more')),
      ['warn client rejected CDS: bad (once more in 0 ms)'],
    );
  });
});

test('spans are told in two units', () => {
  const told = [0, 999, 1_000, 59_999, 60_000, 125_000, 3_600_000, 12_000_000, 90_000_000].map(spanWords);
  const said = ['0 ms', '999 ms', '1 s', '59 s', '1 min', '2 min 5 s', '1 h', '3 h 20 min', '1 d 1 h'];
  assert.deepEqual(told, said);
});
