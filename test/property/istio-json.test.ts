import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { istioKinds, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { meshConfigOf, meshResourceOf, readMeshResource } from '../../src/istio/mesh-resource.ts';
import { istioMessages } from '../../src/istio/messages.ts';
import { decodeJson, encodeJson, problemText } from '../../src/proto/json-reader.ts';
import { validJson } from '../support/proto-arbitrary.ts';

/** Where valid JSON is made from. */
const source = { catalog: istioMessages, inAny: 'istio.networking.v1alpha3.HTTPRetry' };
const message = fc.constantFrom(...istioMessages.names);
const kind = fc.constantFrom(...istioKinds);
const typeUrl = fc.constantFrom(...istioKinds.map(one => one.typeUrl), meshConfigTypeUrl);
/** A message and JSON that is valid for it. */
const valid = message.chain(name => validJson(source, name).map(json => ({ name, json })));

/** Whatever a program can hold, with the names of fields in it so that it goes in deep. */
const names = fc.constantFrom(
  'spec',
  'metadata',
  'name',
  '@type',
  'value',
  'http',
  'hosts',
  'timeout',
  'match',
  'uri',
  'patch',
  'configPatches',
);
const whatever: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  any: fc.oneof(
    { depthSize: 'medium' },
    fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withTypedArray: true,
      withNullPrototype: true,
      withSparseArray: true,
    }),
    fc.dictionary(fc.oneof(names, fc.string()), tie('any'), { maxKeys: 4 }),
    fc.array(tie('any'), { maxLength: 3 }),
  ),
})).any;

/** Valid JSON in which some value was put in the place of another. */
const nearlyValid = fc.tuple(valid, fc.nat(), whatever).map(([{ name, json }, place, value]) => {
  let left = place % 20;
  const changed = (one: unknown): unknown => {
    if (left-- === 0) return value;
    if (Array.isArray(one)) return one.map(changed);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, inside]) => [key, changed(inside)]));
  };
  return { name, json: changed(json) };
});

/** Bytes that are mostly fields of the message: valid ones, with some of them changed. */
const nearlyBytes = fc
  .tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }), fc.nat())
  .map(([{ name, json }, changes, cut]) => {
    const encoded = encodeJson(istioMessages, name, json);
    const bytes = Buffer.isBuffer(encoded) ? encoded : Buffer.alloc(0);
    for (const [place, byte] of changes) if (bytes.length > 0) bytes[place % bytes.length] = byte;
    return { name, bytes: cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes };
  });

function bytesOf(name: string, json: unknown): Buffer {
  const bytes = encodeJson(istioMessages, name, json);
  assert.ok(Buffer.isBuffer(bytes), JSON.stringify(bytes));
  return bytes;
}

describe("Istio's JSON", () => {
  test('what is decoded is encoded to the same bytes, and decoded to the same again', () => {
    fc.assert(
      fc.property(valid, ({ name, json }) => {
        const bytes = bytesOf(name, json);
        const normal = decodeJson(istioMessages, name, bytes);
        const again = bytesOf(name, normal);
        assert.equal(again.toString('hex'), bytes.toString('hex'));
        assert.deepEqual(decodeJson(istioMessages, name, again), normal);
        // And through text, as it travels to people.
        if (!hasMinusZero(normal)) assert.deepEqual(bytesOf(name, JSON.parse(JSON.stringify(normal))), bytes);
      }),
      { numRuns: 3_000 },
    );
  });

  test('bytes that are decoded from anything settle at once', () => {
    fc.assert(
      fc.property(nearlyBytes, ({ name, bytes }) => {
        const json = decodeJson(istioMessages, name, bytes);
        if (json === undefined) return;
        const encoded = encodeJson(istioMessages, name, json);
        // A time out of range, or a number that is none within a Value, has no JSON that could be read.
        if ('problems' in encoded) return;
        assert.deepEqual(decodeJson(istioMessages, name, encoded), json);
      }),
      { numRuns: 3_000 },
    );
  });

  test('nothing whatever makes a reader throw, and what is refused has a place and a reason', () => {
    const check = (name: string, json: unknown): void => {
      const read = encodeJson(istioMessages, name, json);
      if (Buffer.isBuffer(read)) assert.notEqual(decodeJson(istioMessages, name, read), undefined);
      else {
        assert.ok(read.problems.length > 0 && read.problems.length <= 20);
        for (const problem of read.problems) assert.ok(problemText(problem).isWellFormed() && problem.text.length > 0);
      }
    };
    fc.assert(fc.property(message, whatever, check), { numRuns: 1_000 });
    fc.assert(
      fc.property(nearlyValid, ({ name, json }) => check(name, json)),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(kind, whatever, (one, object) => {
        const resource = meshResourceOf(one, object, { defaultNamespace: 'a' });
        if ('any' in resource) assert.ok('spec' in readMeshResource(one.typeUrl, resource.any));
        meshConfigOf(object);
      }),
      { numRuns: 1_000 },
    );
  });

  test('no bytes whatever make a reader throw', () => {
    const raw = fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes));
    fc.assert(
      fc.property(message, typeUrl, raw, (name, url, bytes) => {
        decodeJson(istioMessages, name, bytes);
        readMeshResource(url, bytes);
      }),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(nearlyBytes, ({ name, bytes }) => void decodeJson(istioMessages, name, bytes)),
      { numRuns: 2_000 },
    );
  });

  test('an object of a valid spec is a resource that says the same', () => {
    fc.assert(
      fc.property(
        kind.chain(one => validJson(source, one.message).map(spec => ({ one, spec }))),
        ({ one, spec }) => {
          const resource = meshResourceOf(one, { metadata: { name: 'a' }, spec }, { defaultNamespace: 'b' });
          assert.ok('any' in resource, JSON.stringify(resource));
          const read = readMeshResource(one.typeUrl, resource.any);
          assert.deepEqual(
            'spec' in read && read.spec,
            decodeJson(istioMessages, one.message, bytesOf(one.message, spec)),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a field that is misspelt is found, whichever it is', () => {
    const withFields = istioMessages.names.filter(
      name => name.startsWith('istio.') && istioMessages.get(name).fields.length > 0,
    );
    fc.assert(
      fc.property(fc.constantFrom(...withFields), fc.nat(), (name, place) => {
        const { fields, byName } = istioMessages.get(name);
        const field = fields[place % fields.length];
        const wrong = `${field?.jsonName}x`;
        fc.pre(!byName.has(wrong));
        const read = encodeJson(istioMessages, name, { [wrong]: null });
        assert.ok('problems' in read);
        assert.deepEqual(read.problems[0]?.path, [wrong]);
        assert.match(read.problems[0]?.text ?? '', /^is no field of \w+; did you mean \w+\?$/);
      }),
    );
  });
});

function hasMinusZero(json: unknown): boolean {
  if (typeof json === 'number') return Object.is(json, -0);
  return typeof json === 'object' && json !== null && Object.values(json).some(hasMinusZero);
}
