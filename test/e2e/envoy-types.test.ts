import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { envoyMessages } from '../../src/envoy/messages.ts';
import { encodeJson } from '../../src/proto/json-reader.ts';
import { dumpStyle, messageJson } from '../../src/proto/json-writer.ts';
import { decodeMessage } from '../../src/proto/wire.ts';
import { envoyBody, listeners, reviewsRoutes, serviceCluster, serviceEndpoints } from '../support/envoy-resources.ts';
import { GoTypes, goTypes, sameTypes } from '../support/go-types.ts';
import { validJson } from '../support/proto-arbitrary.ts';
import { types } from '../support/resource-bodies.ts';

// Our tables of Envoy's messages against go-control-plane's Go types, and what we show of a resource against Go's JSON of it.

const options = { skip: 'missing' in goTypes ? goTypes.missing : false };
/** Expressions in CEL are shown by their bytes. */
const closed = ['google.api.expr.v1alpha1', 'cel.expr'];
/** What holds a token though Envoy does not mark it. */
const redacted = [
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.access_token',
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.google_refresh_token',
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.ServiceAccountJWTAccessCredentials.json_key',
];
/** Where valid JSON is made from. */
const source = { catalog: envoyMessages, inAny: 'envoy.extensions.filters.http.buffer.v3.Buffer' };
const prefix = 'type.googleapis.com/';
/** Go redacts nothing. */
const style = { ...dumpStyle, isRedacted: false };

interface Sample {
  readonly title: string;
  readonly message: string;
  readonly body: Buffer;
}

/** Compares what we show of bytes with what Go shows of the same bytes, in the names of the `.proto` files. */
async function agree(t: TestContext, samples: readonly Sample[]): Promise<void> {
  const read = await new GoTypes(t).read(
    samples.map(({ message, body }) => ({ message, bytes: body, protoNames: true })),
  );
  assert.equal(read.length, samples.length);
  for (const [index, { title, message, body }] of samples.entries()) {
    assert.equal(read[index]?.error, undefined, title);
    const decoded = decodeMessage(envoyMessages.get(message), body);
    assert.ok('type' in decoded, title);
    assert.deepEqual(messageJson(decoded, style), read[index]?.json, `${title}: ${body.toString('hex')}`);
    assert.equal(read[index]?.bytes?.toString('hex'), body.toString('hex'), title);
  }
}

describe("Envoy's own types", { concurrency: 1 }, () => {
  test('have the messages, fields and enum values of our tables', options, async t => {
    await sameTypes(t, envoyMessages, envoyMessages.names, { closed, redacted });
  });

  test('say the same of the resources that a sidecar is given', options, async t => {
    const name = 'outbound|80|v1|reviews.shop.svc.cluster.local';
    const resources = [
      [types.cluster, serviceCluster(80, 'v1', 'reviews.shop.svc.cluster.local')],
      [types.endpoints, serviceEndpoints(name, [['10.0.0.1', 80, 'DRAINING']])],
      [types.routes, reviewsRoutes],
      [types.listener, listeners.tcp],
    ] as const;
    await agree(
      t,
      resources.map(([url, json]) => ({ title: url, message: url.replace(prefix, ''), body: envoyBody(url, json) })),
    );
  });

  test('say the same of whatever is valid', options, async t => {
    const seed = Number(process.env['ENVOY_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`ENVOY_SEED=${seed}`);
    const samples = envoyMessages.names
      .filter(name => !name.startsWith('google.protobuf.') && !closed.some(one => name.startsWith(`${one}.`)))
      .flatMap((message, index) =>
        fc.sample(validJson(source, message), { seed: seed + index, numRuns: 25 }).map(json => {
          const body = encodeJson(envoyMessages, message, JSON.parse(JSON.stringify(json)));
          assert.ok(Buffer.isBuffer(body), `${message}: ${JSON.stringify(body)}`);
          return { title: `seed ${seed}, ${message}`, message, body };
        }),
      );
    await agree(t, samples);
  });
});
