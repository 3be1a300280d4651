import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { nodeForUpstream } from '../../src/xds/node.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';
import { encodeNode, encodeTestRequest, encodeTestResponse } from '../support/messages.ts';

// Whatever bytes arrive from either side, in whatever order: the core answers with effects, never with an exception.

const name = fc.constantFrom('a', 'b', '*', '', '__proto__', 'constructor', 'x'.repeat(5_000));
const typeUrl = fc.constantFrom<string>(clusterType, endpointType, listenerType, '', 'a/v1/B', 'nonsense');
const nonce = fc.constantFrom('', 'up1', '0-1', '1-2', 'unknown');
const variant = fc.constantFrom<Variant>('sotw', 'delta');

const request = fc
  .record({
    typeUrl,
    nonce,
    names: fc.array(name, { maxLength: 4 }),
    unsubscribe: fc.array(name, { maxLength: 3 }),
    version: name,
    nodeId: fc.option(fc.constantFrom('n', 'm', ''), { nil: undefined }),
    error: fc.option(fc.constant('no'), { nil: undefined }),
    initialVersions: fc.constantFrom(
      new Map<string, string>(),
      new Map([
        ['a', ''],
        ['b', '1'],
      ]),
    ),
    form: variant,
  })
  .map(({ form, ...parts }) => encodeTestRequest(parts, form));

const response = fc
  .record({
    typeUrl,
    nonce,
    version: name,
    names: fc.array(name, { maxLength: 4 }),
    removed: fc.array(name, { maxLength: 3 }),
    payload: fc.integer({ min: 1, max: 3 }),
    form: variant,
  })
  .map(({ form, names, payload, ...parts }) => {
    const bodies = resources(clusterType, names, payload);
    return encodeTestResponse({ ...parts, resources: bodies }, form);
  });

/** Bytes with some of them changed, cut off or made up altogether. */
function damaged(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const spoilt = fc.tuple(bytes, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([whole, at, byte]) => {
    const copy = Buffer.from(whole);
    if (copy.length > 0) copy[at % copy.length] = byte;
    return copy;
  });
  const cut = fc.tuple(bytes, fc.nat()).map(([whole, at]) => whole.subarray(0, at % (whole.length + 1)));
  return fc.oneof(
    bytes,
    spoilt,
    cut,
    fc.uint8Array({ maxLength: 60 }).map(raw => Buffer.from(raw)),
  );
}

type Step =
  | { readonly kind: 'open'; readonly form: Variant }
  | { readonly kind: 'request'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'response'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'leave'; readonly at: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'wait'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), form: variant }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('request' as const), at: fc.nat(9), bytes: damaged(request) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('response' as const), at: fc.nat(9), bytes: damaged(response) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), at: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 150, 2_000, 70_000) }),
  },
);

describe('core', () => {
  test('R123: no sequence of damaged and well-formed messages makes it throw or loop', () => {
    fc.assert(
      fc.property(
        variant,
        fc.constantFrom<'shared' | 'refuse'>('shared', 'refuse'),
        fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
        (form, nodeSharing, steps) => {
          const harness = new CoreHarness({ variant: form, nodeSharing, typesMax: 4, viewTypesMax: 5 });
          const clients = [harness.client('sotw'), harness.client('delta')];
          for (const one of steps) {
            const ids = harness.upstreamIds();
            const upstreamId = 'at' in one ? ids[one.at % ids.length] : undefined;
            const streamId = 'at' in one ? (clients[one.at % clients.length]?.streamId ?? 0) : 0;
            if (one.kind === 'open') clients.push(harness.client(one.form));
            else if (one.kind === 'request') harness.post({ kind: 'client_request', streamId, bytes: one.bytes });
            else if (one.kind === 'leave') harness.post({ kind: 'client_closed', streamId });
            else if (one.kind === 'cut') harness.cut(upstreamId);
            else if (one.kind === 'wait') harness.advance(one.ms);
            else if (upstreamId !== undefined) {
              harness.post({ kind: 'upstream_response', streamId: upstreamId, bytes: one.bytes });
            }
          }
          harness.advance(100_000);
          assert.ok(harness.core.nextDeadlineMs() > harness.nowMs, 'no deadline is left in the past');
          assert.equal(harness.core.bytesInFlight, 0, 'everything in flight is accounted for');
        },
      ),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 1_500) },
    );
  });

  test('R68: a node whose features are no text is filtered, not tripped over', () => {
    const odd = Buffer.concat([encodeNode('n'), Buffer.from([0x50, 0x01])]);
    assert.deepEqual(nodeForUpstream(odd, true), odd);
  });
});
