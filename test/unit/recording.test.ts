import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bytes, message, nested, text } from '../../src/demo/proto.ts';
import { encodeEvent, type RecordedEvent, readLine } from '../../src/recording/format.ts';
import { readRecording } from '../../src/recording/read-recording.ts';
import { Recorder } from '../../src/recording/recorder.ts';
import { mayHoldKey, redactResponse } from '../../src/recording/redact.ts';
import { type RecordedStream, ReplayScript, streamsOf } from '../../src/recording/script.ts';
import { clusterType, endpointType, secretType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { decodeResponse } from '../../src/xds/wire-response.ts';
import { body } from '../support/core-harness.ts';
import { decodeTestResponse, encodeTestRequest, encodeTestResponse, type TestResource } from '../support/messages.ts';

const key =
  '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n';
const variants: readonly Variant[] = ['sotw', 'delta'];

const respond = (typeUrl: string, nonce: string, resources: readonly TestResource[], variant: Variant) =>
  encodeTestResponse({ typeUrl, version: `v${nonce}`, nonce, resources, removed: [] }, variant);
const secret = (name: string) => ({ name, version: '1', body: message(text(1, name), nested(2, text(1, key))) });
const cluster = (name: string) => ({ name, version: '1', body: body(clusterType, name) });

/** Records what is handed on; the lines as they were written. */
function recording() {
  const recorder = new Recorder();
  const lines: string[] = [];
  let isEnded = false;
  const sink = {
    line: (line: string) => lines.push(line) > 0,
    end: () => {
      isEnded = true;
    },
  };
  const stop = recorder.begin(sink, 1_000, Date.UTC(2026, 0, 2));
  const events = () =>
    lines.slice(1).map((line, at) => {
      const read = readLine(line, at + 2);
      assert.ok(!('error' in read) && !('weir' in read));
      return read;
    });
  return { recorder, lines, events, stop, isEnded: () => isEnded };
}

describe('record', () => {
  test('every event comes back from its line as it was', () => {
    const blob = fc.uint8Array({ maxLength: 40 }).map(one => Buffer.from(one));
    const plain = { noNullPrototype: true };
    const status = fc.record({ code: fc.nat(16), message: fc.string() }, plain);
    const request = fc.record(
      { typeUrl: fc.string(), nonce: fc.string(), names: fc.array(fc.string()), error: status },
      { requiredKeys: ['typeUrl'], ...plain },
    );
    const common = { at: fc.nat(), stream: fc.nat() };
    const kind = <K extends RecordedEvent['kind']>(one: K) => fc.constant(one);
    const event: fc.Arbitrary<RecordedEvent> = fc.oneof(
      fc.record({ ...common, kind: kind('open'), variant: fc.constantFrom(...variants), address: fc.string() }, plain),
      fc.record({ ...common, kind: fc.constantFrom('opened', 'leaving', 'closed') }, plain),
      fc.record({ ...common, kind: kind('request'), request }, plain),
      fc.record(
        {
          ...common,
          kind: kind('response'),
          typeUrl: fc.string(),
          nonce: fc.string(),
          version: fc.string(),
          resources: fc.nat(),
          bytes: blob,
        },
        plain,
      ),
      fc.record({ ...common, kind: kind('garbage'), length: fc.nat(), bytes: blob }, plain),
      fc.record({ ...common, kind: kind('ended'), status }, plain),
    );
    fc.assert(fc.property(event, one => assert.deepEqual(readLine(encodeEvent(one).trimEnd(), 2), one)));
  });

  for (const variant of variants) {
    test(`R104: the bodies of keys are left out, and the rest stays byte for byte (${variant})`, () => {
      const plain = respond(clusterType, '1', [cluster('a'), cluster('b')], variant);
      assert.deepEqual(redactResponse(plain, variant), { bytes: plain, redacted: [] });
      const { bytes: rest, redacted } =
        redactResponse(respond(secretType, '2', [secret('tls')], variant), variant) ?? {};
      assert.ok(rest);
      assert.deepEqual(redacted, ['tls']);
      assert.equal(rest.includes('PRIVATE KEY'), false);
      const read = decodeTestResponse(rest, variant);
      assert.deepEqual([read.typeUrl, read.nonce, read.version], [secretType, '2', 'v2']);
      assert.deepEqual(
        read.resources.map(one => [one.name, one.version]),
        [['tls', variant === 'delta' ? '1' : '']],
      );
    });

    test(`R104: a key in any other type, or with a TTL, is left out as well (${variant})`, () => {
      const mixed = [cluster('a'), { ...secret('b'), body: message(text(1, 'b'), text(90, key)) }, cluster('c')];
      const withTtl = [{ ...secret('tls'), ttlMs: 5_000 }];
      const found = redactResponse(respond(clusterType, '1', mixed, variant), variant);
      assert.deepEqual(found?.redacted, ['b']);
      const names = decodeTestResponse(found.bytes, variant).resources.map(one => one.name);
      assert.deepEqual(names, ['a', 'b', 'c']);
      const wrapped = redactResponse(respond(secretType, '1', withTtl, variant), variant);
      assert.deepEqual(wrapped?.redacted, ['tls']);
      assert.equal(wrapped.bytes.includes('PRIVATE KEY'), false);
      const read = decodeResponse(wrapped.bytes, variant, 1);
      assert.ok(!('error' in read));
      assert.deepEqual(
        read.resources.map(one => [one.name, one.ttlMs]),
        [['tls', 5_000]],
      );
    });

    test(`R104: a Secret is left out by the type of its body, whatever the response says of itself (${variant})`, () => {
      const password = 'correct-horse-battery-staple';
      // Nothing in it looks like a key.
      const generic = message(text(1, 's'), nested(5, nested(1, nested(3, text(3, password)))));
      for (const typeUrl of [secretType, clusterType, '']) {
        const response = respond(
          typeUrl,
          '1',
          [{ name: 's', version: '1', anyType: secretType, body: generic }],
          variant,
        );
        const found = redactResponse(response, variant);
        assert.deepEqual(found?.redacted, ['s'], typeUrl);
        assert.equal(found.bytes.includes(password), false, typeUrl);
      }
    });

    test(`R104: words that quote a key are left out (${variant})`, () => {
      const { recorder, lines } = recording();
      recorder.observe({ kind: 'open_upstream', streamId: 1, variant, address: 'cp' }, 1_000);
      const nack = { typeUrl: clusterType, nonce: '1', error: `cannot use ${key}` };
      recorder.observe({ kind: 'send_upstream', streamId: 1, bytes: encodeTestRequest(nack, variant) }, 1_000);
      const misplaced = encodeTestResponse(
        { typeUrl: clusterType, version: key, nonce: '1', resources: [cluster('a')], removed: [] },
        variant,
      );
      recorder.observe({ kind: 'upstream_response', streamId: 1, bytes: misplaced }, 1_000);
      recorder.observe({ kind: 'upstream_closed', streamId: 1, code: 3, message: key }, 1_000);
      assert.equal(lines.length, 5);
      for (const line of lines) assert.equal(mayHoldKey(Buffer.from(line)), false);
    });

    test(`a conversation is written down without what the node says of itself (${variant})`, () => {
      const { recorder, lines, events, stop, isEnded } = recording();
      const node = message(
        text(1, 'sidecar'),
        text(2, 'cluster'),
        nested(3, nested(1, text(1, 'k'), nested(2, text(3, 'a secret of the node')))),
      );
      recorder.observe({ kind: 'upstream_opened', streamId: 1 }, 1_000); // Its begin was before.
      recorder.observe({ kind: 'open_upstream', streamId: 2, variant, address: 'cp:18000' }, 1_001.26);
      recorder.observe({ kind: 'upstream_opened', streamId: 2 }, 1_002);
      const first = encodeTestRequest({ typeUrl: clusterType, node, names: ['a', 'b'] }, variant);
      recorder.observe({ kind: 'send_upstream', streamId: 2, bytes: first }, 1_003);
      recorder.observe({ kind: 'upstream_writable', streamId: 2 }, 1_003);
      const answer = respond(clusterType, '1', [cluster('a')], variant);
      recorder.observe({ kind: 'upstream_response', streamId: 2, bytes: answer }, 1_004);
      const nack = { typeUrl: clusterType, nonce: '1', names: ['a', 'b'], error: 'no' };
      recorder.observe({ kind: 'send_upstream', streamId: 2, bytes: encodeTestRequest(nack, variant) }, 1_005);
      recorder.observe({ kind: 'upstream_response', streamId: 2, bytes: Buffer.from([0xff]) }, 1_006);
      const broken = Buffer.concat([Buffer.from([0xff]), Buffer.from(key)]);
      recorder.observe({ kind: 'upstream_response', streamId: 2, bytes: broken }, 1_007);
      recorder.observe({ kind: 'upstream_closed', streamId: 2, code: 14, message: 'away' }, 1_008);
      recorder.observe({ kind: 'send_upstream', streamId: 2, bytes: first }, 1_009); // Of a stream that is over.
      assert.deepEqual(JSON.parse(lines[0] ?? ''), {
        weir: 'recording',
        version: 1,
        begun: '2026-01-02T00:00:00.000Z',
      });
      assert.equal(lines.join('').includes('a secret of the node'), false);
      const error = { code: 13, message: 'no' };
      assert.deepEqual(events(), [
        { at: 1.3, stream: 2, kind: 'open', variant, address: 'cp:18000' },
        { at: 2, stream: 2, kind: 'opened' },
        {
          at: 3,
          stream: 2,
          kind: 'request',
          request: { typeUrl: clusterType, nodeId: 'sidecar', names: ['a', 'b'] },
        },
        {
          at: 4,
          stream: 2,
          kind: 'response',
          typeUrl: clusterType,
          nonce: '1',
          version: 'v1',
          resources: 1,
          bytes: answer,
        },
        {
          at: 5,
          stream: 2,
          kind: 'request',
          request: { typeUrl: clusterType, nonce: '1', error, names: variant === 'sotw' ? 'same' : ['a', 'b'] },
        },
        { at: 6, stream: 2, kind: 'garbage', length: 1, bytes: Buffer.from([0xff]) },
        { at: 7, stream: 2, kind: 'garbage', length: broken.length },
        { at: 8, stream: 2, kind: 'ended', status: { code: 14, message: 'away' } },
      ]);
      assert.equal(recorder.size, 1);
      stop();
      assert.equal(recorder.size, 0);
      recorder.end();
      assert.equal(isEnded(), false, 'who has gone is told nothing');
    });
  }

  test('whoever takes no more is told no more, and the end of the agent is the end of all', () => {
    const recorder = new Recorder();
    const heard: string[] = [];
    const sink = (name: string, most: number) => {
      let count = 0;
      return {
        line: () => {
          heard.push(name);
          return ++count < most;
        },
        end: () => void heard.push(`end of ${name}`),
      };
    };
    recorder.begin(sink('slow', 2), 0, 0);
    recorder.begin(sink('fast', 100), 0, 0);
    for (const streamId of [1, 2]) {
      recorder.observe({ kind: 'open_upstream', streamId, variant: 'delta', address: 'a' }, 1);
    }
    recorder.end();
    assert.deepEqual(heard, ['slow', 'fast', 'slow', 'fast', 'fast', 'end of fast']);
  });

  test('what is no recording is refused by the line that is wrong, and an end that was cut off is left out', async () => {
    const header = '{"weir":"recording","version":1,"begun":"2026-01-02"}';
    const event = '{"at":1,"stream":1,"kind":"opened"}';
    const read = (...lines: string[]) =>
      readRecording(
        (async function* () {
          yield* lines;
        })(),
      );
    const wrong: readonly [lines: string[], error: string][] = [
      [[], 'it is empty'],
      [['x'], 'line 1 is no JSON'],
      [['{"a":1}'], 'it is no recording of weir record'],
      [['{"weir":"recording","version":2}'], 'it has version 2, and this Weir reads version 1'],
      [[header, 'x', event], 'line 2 is no JSON'],
      [[header, '7', event], 'line 2 is no JSON object'],
      [[header, '{"at":1,"stream":1,"kind":"jump"}', event], 'line 2 is no event of a recording'],
      [[header, event, '{"at":1,"stream":1,"kind":"request"}', event], 'line 3: the request lacks a part'],
      [[header, '{"at":1,"stream":1,"kind":"response","typeUrl":"t"}', event], 'line 2: the response lacks a part'],
    ];
    for (const [lines, error] of wrong) assert.deepEqual(await read(...lines), { error });
    const cut = await read(header, event, event.slice(0, 9));
    assert.ok(!('error' in cut));
    assert.deepEqual([cut.events.length, cut.isCut], [1, true]);
    const whole = await read(header, event);
    assert.ok(!('error' in whole));
    assert.deepEqual([whole.events.length, whole.isCut], [1, false]);
  });
});

describe('replay', () => {
  /** A stream with two responses, of which the second comes 500 ms after the first one's ACK, and then its end. */
  function recorded() {
    const { recorder, events } = recording();
    const variant = 'delta';
    recorder.observe({ kind: 'open_upstream', streamId: 5, variant, address: 'gone:1' }, 1_000);
    recorder.observe({ kind: 'upstream_closed', streamId: 5, code: 14, message: 'refused' }, 1_000);
    recorder.observe({ kind: 'open_upstream', streamId: 6, variant, address: 'cp:1' }, 1_000);
    recorder.observe({ kind: 'upstream_opened', streamId: 6 }, 1_000);
    const say = (request: Parameters<typeof encodeTestRequest>[0], atMs: number) =>
      recorder.observe({ kind: 'send_upstream', streamId: 6, bytes: encodeTestRequest(request, variant) }, atMs);
    const hear = (nonce: string, atMs: number) => {
      const heard = respond(clusterType, nonce, [cluster('a')], variant);
      recorder.observe({ kind: 'upstream_response', streamId: 6, bytes: heard }, atMs);
    };
    say({ typeUrl: clusterType, nodeId: 'n' }, 1_010);
    hear('1', 1_020);
    say({ typeUrl: clusterType, nonce: '1' }, 1_030);
    hear('2', 1_530);
    say({ typeUrl: clusterType, nonce: '2', error: 'bad' }, 1_540);
    recorder.observe({ kind: 'upstream_closed', streamId: 6, code: 14, message: 'away' }, 1_600);
    const streams = streamsOf(events());
    const [stream] = streams;
    assert.ok(stream);
    assert.deepEqual([streams.length, stream.variant, stream.nodeId], [1, 'delta', 'n']);
    return stream;
  }
  const kinds = (actions: ReturnType<ReplayScript['advance']>) => actions.map(one => one.kind);
  const first = { typeUrl: clusterType, nodeId: 'n' };
  const ack = { typeUrl: clusterType, nonce: '1' };
  const nack = { typeUrl: clusterType, nonce: '2', error: { code: 3, message: 'bad in other words' } };

  test('each response comes once the client has said what it had said before it', () => {
    const script = new ReplayScript(recorded(), false);
    assert.deepEqual(kinds(script.begin(0)), []);
    assert.deepEqual(kinds(script.heard(first, 1)), ['send']);
    assert.deepEqual(kinds(script.heard(ack, 2)), ['send']);
    assert.equal(script.isOver, false);
    assert.deepEqual(script.heard(nack, 3), [{ kind: 'end', status: { code: 14, message: 'away' } }]);
    assert.deepEqual([script.isOver, script.differences(), script.progress], [true, [], { sent: 2, of: 2 }]);
  });

  test('paced, it keeps the times of the recording', () => {
    const script = new ReplayScript(recorded(), true);
    script.begin(0);
    assert.deepEqual(kinds(script.heard(first, 1)), []);
    assert.equal(script.nextDeadlineMs(), 20);
    assert.deepEqual(kinds(script.advance(20)), ['send']);
    assert.deepEqual(kinds(script.heard(ack, 25)), []);
    assert.equal(script.nextDeadlineMs(), 20 + 510);
    assert.deepEqual(kinds(script.advance(530)), ['send']);
  });

  test('what is said otherwise is told, and what is not said is waited for, but not for ever', () => {
    const script = new ReplayScript(recorded(), false);
    script.begin(0);
    script.heard(first, 1);
    assert.equal(script.nextDeadlineMs(), 2_001);
    assert.deepEqual(kinds(script.advance(2_001)), ['send']);
    assert.deepEqual(kinds(script.heard({ typeUrl: 'other' }, 2_002)), []);
    assert.deepEqual(script.differences(), [{ kind: 'unexpected', said: 'the first request for other' }]);
    assert.deepEqual(kinds(script.heard(nack, 2_003)), ['end']);
    assert.deepEqual(script.differences().slice(1), [{ kind: 'missing', said: `an ACK for ${clusterType} of 1` }]);
  });
});

describe('replay: who the client is, and what it asks for in the end', () => {
  /** A stream on which two names were asked for and one was given up again. */
  function recorded(variant: Variant): RecordedStream {
    const { recorder, events } = recording();
    recorder.observe({ kind: 'open_upstream', streamId: 1, variant, address: 'cp:1' }, 0);
    recorder.observe({ kind: 'upstream_opened', streamId: 1 }, 0);
    const requests =
      variant === 'delta' ? [{ names: ['a', 'b'] }, { unsubscribe: ['b'] }] : [{ names: ['a', 'b'] }, { names: ['a'] }];
    for (const parts of requests) {
      const bytes = encodeTestRequest({ typeUrl: endpointType, nodeId: 'n', ...parts }, variant);
      recorder.observe({ kind: 'send_upstream', streamId: 1, bytes }, 1);
    }
    const [stream] = streamsOf(events());
    assert.ok(stream);
    return stream;
  }

  for (const variant of ['delta', 'sotw'] as const) {
    test(`other names, and another node, are told (${variant})`, () => {
      const same = new ReplayScript(recorded(variant), false);
      same.begin(0);
      same.heard({ typeUrl: endpointType, nodeId: 'n', names: ['a', 'b'] }, 1);
      same.heard({ typeUrl: endpointType, names: variant === 'delta' ? [] : ['a'], unsubscribe: ['b'] }, 2);
      assert.deepEqual(same.differences(), []);
      const other = new ReplayScript(recorded(variant), false);
      other.begin(0);
      other.heard({ typeUrl: endpointType, nodeId: 'm', names: ['x', 'b'] }, 1);
      other.heard({ typeUrl: endpointType, names: variant === 'delta' ? [] : ['x', 'b'] }, 2);
      assert.deepEqual(other.differences(), [
        { kind: 'node', said: 'm, not n' },
        { kind: 'names', said: `${endpointType}: also x, b; without a` },
      ]);
    });
  }
});

test('bytes that are no response are no part of what is redacted', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...variants), (raw, variant) => {
      const found = redactResponse(Buffer.from(raw), variant);
      assert.ok(found === undefined || found.redacted.length > 0 || found.bytes.equals(raw));
    }),
  );
  assert.equal(redactResponse(message(bytes(2, Buffer.from([0xff]))), 'delta'), undefined);
});
