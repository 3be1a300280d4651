import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseSigningKey, parseVerifyKey, RowSealer } from '../../src/cache/secrets.ts';
import { type DecodeOptions, decodeBundle, type EncodeOptions, encodeBundle } from '../../src/cache/seed-bundle.ts';
import { sensitivityOf } from '../../src/cache/sensitivity.ts';
import type { StoredContent, StoredResource, StoredType, StoredView } from '../../src/cache/stored.ts';
import { bytes, message, nested, text, uint } from '../../src/demo/proto.ts';
import { clusterType, endpointType, secretType } from '../../src/xds/type-urls.ts';
import type { TypeUrl, ViewKey } from '../../src/xds/types.ts';

const sealer = new RowSealer([randomBytes(32)]);
const { privateKey: signingKey, publicKey: verifyKey } = generateKeyPairSync('ed25519');
const about: EncodeOptions = {
  createdWallMs: 1_700_000_000_000,
  upstream: ['control:15010'],
  nodeId: 'node 1',
  matchFields: ['node.cluster', 'node.metadata.NAMESPACE'],
};
const limits: DecodeOptions = { bytesMax: 1 << 20, resourcesMax: 1_000 };
const pem = `-----BEGIN EC ${'PRIVATE'} KEY-----`;

/** Records as literals make them, since a null prototype is a difference to deepEqual. */
function plainRecord<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const name = fc.string({ minLength: 1, maxLength: 8 });
const blob = fc.uint8Array({ maxLength: 40 }).map((raw): Buffer => Buffer.from(raw));
const content: fc.Arbitrary<StoredContent> = plainRecord({
  version: fc.string({ maxLength: 5 }),
  any: fc.oneof(
    { weight: 4, arbitrary: blob },
    { weight: 1, arbitrary: blob.map((raw): Buffer => Buffer.concat([raw, Buffer.from(pem)])) },
  ),
  extra: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: name.map(alias => message(text(4, alias))) },
    { weight: 1, arbitrary: fc.constant(message(nested(7, uint(1, 1)))) },
  ),
});
const wallMs = fc.nat();
const resource: fc.Arbitrary<StoredResource> = fc
  .record({
    name,
    content,
    trust: fc.constantFrom('accepted', 'presumed', 'refused'),
    good: fc.option(content, { nil: undefined }),
    deadlineWallMs: fc.option(wallMs, { nil: undefined }),
  })
  .map(({ name, content, trust, good, deadlineWallMs }) => {
    const refusal = trust === 'refused' ? { words: 'no', isNamed: true, sinceWallMs: 1 } : undefined;
    return { name, ...content, trust, refusal, good, deadlineWallMs };
  });
const typeOf = (typeUrl: TypeUrl): fc.Arbitrary<StoredType> =>
  plainRecord({
    typeUrl: fc.constant(typeUrl),
    isKnown: fc.boolean(),
    confirmedWallMs: wallMs,
    upstreamVersion: fc.string({ maxLength: 5 }),
    server: fc.constant(''),
    scope: fc.constantFrom('', '{"in":["a"],"like":[],"root":"r"}'),
    resources: fc.uniqueArray(resource, { maxLength: 6, selector: one => one.name }),
  });
const view: fc.Arbitrary<StoredView> = plainRecord({
  viewKey: name.map(key => key as ViewKey),
  matchKey: name,
  node: blob,
  usedWallMs: wallMs,
  provenance: fc.constant('disk'),
  types: fc.tuple(typeOf(clusterType), typeOf(secretType), typeOf('a.b/c' as TypeUrl)),
});

/** What may go in, said apart from the encoder: the contents of one resource in the order in which they are tried. */
function expectedResource(
  typeUrl: TypeUrl,
  stored: StoredResource,
  mayHoldSecrets: boolean,
): StoredResource | undefined {
  const isFine = (one: StoredContent): boolean => {
    const why = sensitivityOf(typeUrl, one);
    return why !== 'do-not-cache' && (mayHoldSecrets || why === undefined);
  };
  const { good, name, deadlineWallMs, trust } = stored;
  if (trust === 'refused') {
    if (good === undefined || !isFine(good)) return undefined;
    return { name, ...good, trust: 'accepted', refusal: undefined, good: undefined, deadlineWallMs };
  }
  if (!isFine(stored)) return undefined;
  return { ...stored, good: good !== undefined && isFine(good) ? good : undefined };
}

function expectedTypes(stored: StoredView, mayHoldSecrets: boolean): StoredType[] {
  return stored.types.map(type => {
    const resources = type.resources.flatMap(one => expectedResource(type.typeUrl, one, mayHoldSecrets) ?? []);
    return { ...type, resources, isKnown: type.isKnown && resources.length === type.resources.length };
  });
}

function decoded(file: Buffer, options: Partial<DecodeOptions> = {}) {
  const result = decodeBundle(file, { ...limits, ...options });
  assert.ok(!('error' in result), 'error' in result ? result.error : '');
  return result;
}

function refusal(file: Buffer, options: Partial<DecodeOptions> = {}): string {
  const result = decodeBundle(file, { ...limits, ...options });
  assert.ok('error' in result, 'it was taken');
  return result.error;
}

function plainResource(name: string, any: Buffer = Buffer.from(`body of ${name}`)): StoredResource {
  const rest = { trust: 'accepted', refusal: undefined, good: undefined, deadlineWallMs: undefined } as const;
  return { name, version: '1', any, extra: undefined, ...rest };
}

function viewOf(typeUrl: TypeUrl, ...resources: readonly StoredResource[]): StoredView {
  const type: StoredType = {
    typeUrl,
    isKnown: true,
    confirmedWallMs: 5,
    upstreamVersion: '7',
    server: '',
    scope: '',
    resources,
  };
  const viewKey = 'key' as ViewKey;
  return { viewKey, matchKey: 'match', node: message(text(1, 'n')), usedWallMs: 9, provenance: 'disk', types: [type] };
}

const sample = viewOf(clusterType, plainResource('a'), { ...plainResource('b'), deadlineWallMs: 12 });
const variants: readonly [string, EncodeOptions, Partial<DecodeOptions>][] = [
  ['plain', about, {}],
  ['sealed', { ...about, sealer }, { sealer }],
  ['signed', { ...about, signingKey }, { verifyKey }],
  ['sealed and signed', { ...about, sealer, signingKey }, { sealer, verifyKey }],
];

describe('seed bundle', () => {
  for (const [title, encode, decode] of variants) {
    test(`R104: a ${title} bundle gives back the sound and harmless part of any view`, () => {
      fc.assert(
        fc.property(view, fc.boolean(), (stored, includeSecrets) => {
          const types = expectedTypes(stored, includeSecrets && encode.sealer !== undefined);
          const { header, view: seen } = decoded(encodeBundle(stored, { ...encode, includeSecrets }), decode);
          assert.deepEqual(seen, { ...stored, provenance: 'seed', types });
          assert.deepEqual(
            header.types,
            types.map(({ typeUrl, resources, scope }, index) => {
              const leftOut = (stored.types[index]?.resources.length ?? 0) - resources.length;
              return { typeUrl, resources: resources.length, leftOut, scope };
            }),
          );
          assert.equal(header.matchKey, stored.matchKey);
        }),
      );
    });

    test(`a ${title} bundle is refused when it ends at any byte too early or goes on`, () => {
      const file = encodeBundle(sample, encode);
      for (let length = 0; length < file.length; length++) refusal(file.subarray(0, length), decode);
      refusal(Buffer.concat([file, Buffer.from([0])]), decode);
      refusal(Buffer.concat([file, file]), decode);
    });

    test(`a ${title} bundle is refused when any byte is another`, () => {
      const file = encodeBundle(sample, encode);
      fc.assert(
        fc.property(fc.nat({ max: file.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const changed = Buffer.from(file);
          changed[at] = (changed[at] ?? 0) ^ flip;
          refusal(changed, decode);
        }),
        { numRuns: 2_000 },
      );
    });
  }

  test('no body whatever, with right digests, makes the decoder throw or ask for memory', () => {
    const file = encodeBundle(sample, about);
    const { header } = decoded(file);
    const body = file.subarray(-header.bodyBytes);
    const change = fc.record({ at: fc.nat({ max: body.length - 4 }), value: fc.nat({ max: 0xffff_ffff }) });
    const changedBody = fc.array(change, { minLength: 1, maxLength: 3 }).map((changes): Buffer => {
      const changed = Buffer.from(body);
      for (const { at, value } of changes) changed.writeUInt32LE(value, at);
      return changed;
    });
    const cut = fc.nat({ max: body.length - 1 }).map(length => body.subarray(0, length));
    fc.assert(
      fc.property(fc.oneof(changedBody, cut, blob), forged => {
        decodeBundle(fileOf({ ...header, ...describeBody(forged) }, forged), limits);
      }),
      { numRuns: 3_000 },
    );
    for (let length = 0; length < body.length; length++) {
      const forged = body.subarray(0, length);
      refusal(fileOf({ ...header, ...describeBody(forged) }, forged));
    }
    const longer = Buffer.concat([body, Buffer.from([0])]);
    assert.match(refusal(fileOf({ ...header, ...describeBody(longer) }, longer)), /1 bytes follow the last record/);
  });

  test('no header whatever, with a right digest, makes the decoder throw', () => {
    const body = Buffer.from('body');
    const { header } = decoded(encodeBundle(sample, about));
    const field = fc.constantFrom(...Object.keys(header));
    fc.assert(
      fc.property(field, fc.jsonValue(), (key, value) => {
        // Counts and texts of the right kind may stand; then it is the body that does not fit.
        refusal(fileOf({ ...header, ...describeBody(body), [key]: value }, body));
      }),
      { numRuns: 1_000 },
    );
    for (const json of ['', '{', 'null', '1', '[]', '{"__proto__":1}', '['.repeat(200_000)]) {
      assert.match(refusal(fileOfText(json, body)), /damaged: its header/);
    }
  });

  test('a resource or type that is there twice, and another count than the announced one, are damage', () => {
    const twice = encodeBundle(viewOf(clusterType, plainResource('a'), plainResource('a')), about);
    assert.match(refusal(twice), /a resource is in its body twice/);
    const [type] = sample.types;
    assert.ok(type);
    assert.match(refusal(encodeBundle({ ...sample, types: [type, type] }, about)), /a type is in its body twice/);
    const file = encodeBundle(sample, about);
    const { header } = decoded(file);
    const types = header.types.map(one => ({ ...one, resources: 1 }));
    assert.match(refusal(fileOf({ ...header, types }, file.subarray(-header.bodyBytes))), /other types or counts/);
  });

  test('a bundle beyond a limit is refused with both numbers', () => {
    const file = encodeBundle(sample, about);
    decoded(file, { bytesMax: file.length, resourcesMax: 2 });
    assert.match(refusal(file, { bytesMax: file.length - 1 }), new RegExp(`${file.length} bytes, the most`));
    assert.match(refusal(file, { resourcesMax: 1 }), /2 resources, the most is 1/);
  });

  test('a verify key refuses what is unsigned, signed by another key, or signed before a change', () => {
    const other = generateKeyPairSync('ed25519');
    const signed = encodeBundle(sample, { ...about, signingKey });
    assert.match(refusal(encodeBundle(sample, about), { verifyKey }), /not signed/);
    assert.match(refusal(signed, { verifyKey: other.publicKey }), /another key/);
    assert.match(refusal(encodeBundle(sample, { ...about, signingKey: other.privateKey }), { verifyKey }), /another/);
    decoded(signed);
    // Whoever takes the signature off and says so makes it an unsigned one.
    const stripped = Buffer.from(signed.subarray(0, -64));
    stripped[9] = 0;
    assert.match(refusal(stripped, { verifyKey }), /not signed/);
  });

  test('an encrypted bundle shows no content, and names the key that is missing', () => {
    const file = encodeBundle(sample, { ...about, sealer });
    assert.ok(encodeBundle(sample, about).includes('body of a'), 'unsealed it shows it');
    assert.ok(!file.includes('body of a'));
    const stranger = new RowSealer([randomBytes(32)]);
    for (const one of [undefined, stranger]) assert.match(refusal(file, { sealer: one }), new RegExp(sealer.keyId));
    const { header } = decoded(file, { sealer });
    const moved = fileOf({ ...header, nodeId: 'node 2' }, file.subarray(-header.bodyBytes));
    assert.match(refusal(moved, { sealer }), /does not open/, 'body and header belong together');
  });

  test('R69: secrets of another node.id are not given, those of the own are', () => {
    const secret = viewOf(secretType, plainResource('s'));
    const cluster = viewOf(clusterType, plainResource('k', message(bytes(2, Buffer.from(pem)))), plainResource('c'));
    const both: StoredView = { ...secret, types: [...secret.types, ...cluster.types] };
    const file = encodeBundle(both, { ...about, sealer, includeSecrets: true });
    const seen = (nodeId: string) =>
      decoded(file, { sealer, nodeId }).view.types.map(one => [one.isKnown, one.resources.map(({ name }) => name)]);
    assert.deepEqual(seen(about.nodeId), [
      [true, ['s']],
      [true, ['k', 'c']],
    ]);
    assert.deepEqual(seen('node 2'), [
      [false, []],
      [false, ['c']],
    ]);
  });

  test('a foreign file and another format are told apart', () => {
    assert.match(refusal(Buffer.from('SQLite format 3\0 and more')), /no seed bundle/);
    const newer = encodeBundle(sample, about);
    newer[8] = 2;
    assert.match(refusal(newer), /has format 2, this Weir reads 1/);
  });

  test('ten thousand resources are written and read again within a second', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => plainResource(`r${index}`, Buffer.alloc(400, index)));
    const startMs = performance.now();
    const file = encodeBundle(viewOf(endpointType, ...many), about);
    const { view: seen } = decoded(file, { bytesMax: 1 << 24, resourcesMax: 10_000 });
    const tookMs = performance.now() - startMs;
    assert.equal(seen.types[0]?.resources.length, 10_000);
    assert.ok(tookMs < 1_000, `${tookMs} ms`);
  });

  test('keys are read from PEM, and every other file is refused by its kind', () => {
    const file = (key: { export(options: { type: string; format: 'pem' }): unknown }, type: string): Buffer =>
      Buffer.from(String(key.export({ type, format: 'pem' })));
    const sign = parseSigningKey(file(signingKey, 'pkcs8'));
    const check = parseVerifyKey(file(verifyKey, 'spki'));
    assert.ok(!('error' in sign) && !('error' in check));
    decoded(encodeBundle(sample, { ...about, signingKey: sign }), { verifyKey: check });
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const wrong = [
      parseSigningKey(file(ec.privateKey, 'pkcs8')),
      parseSigningKey(file(verifyKey, 'spki')),
      parseSigningKey(Buffer.from('hunter2')),
      parseVerifyKey(file(ec.publicKey, 'spki')),
      parseVerifyKey(file(signingKey, 'pkcs8')),
    ];
    for (const one of wrong) assert.ok('error' in one && !one.error.includes('hunter2'));
  });
});

function describeBody(body: Buffer): { bodyBytes: number; bodySha256: string } {
  return { bodyBytes: body.length, bodySha256: createHash('sha256').update(body).digest('hex') };
}

function fileOf(header: object, body: Buffer): Buffer {
  return fileOfText(JSON.stringify(header), body);
}

/** A file with right digests, written apart from the encoder. */
function fileOfText(json: string, body: Buffer): Buffer {
  const header = Buffer.from(json);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const head = Buffer.concat([Buffer.from('WEIRSEED\x01\x00', 'latin1'), length, header]);
  return Buffer.concat([head, createHash('sha256').update(head).digest(), body]);
}
