import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { parseKey, RowSealer } from '../../src/cache/secrets.ts';
import { type Sensitivity, sensitivityOf } from '../../src/cache/sensitivity.ts';
import type { StoredContent } from '../../src/cache/stored.ts';
import { bytes, message, nested, text, uint } from '../../src/demo/proto.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';

function content(payload: Uint8Array, extra?: Buffer): StoredContent {
  const inner = message(text(1, 'name'), nested(24, nested(3, bytes(2, payload))));
  return { version: '1', any: message(text(1, clusterType), bytes(2, inner)), extra };
}

function sensitivityOfPayload(payload: Uint8Array): Sensitivity | undefined {
  return sensitivityOf(clusterType, content(payload));
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const curves = ['P-256', 'P-384', 'P-521'].map(namedCurve => generateKeyPairSync('ec', { namedCurve }));
const edwards = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed448'), generateKeyPairSync('x25519')];
const doNotCache = message(text(4, 'alias'), nested(7, uint(1, 1)));

function privateForms(key: KeyObject): [string, Buffer][] {
  const type = key.asymmetricKeyType ?? '';
  const forms: [string, Buffer][] = [
    [`${type} PKCS#8 PEM`, Buffer.from(key.export({ type: 'pkcs8', format: 'pem' }))],
    [`${type} PKCS#8 DER`, key.export({ type: 'pkcs8', format: 'der' })],
    [
      `${type} encrypted PEM`,
      Buffer.from(key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' })),
    ],
  ];
  const own = type === 'rsa' ? 'pkcs1' : type === 'ec' ? 'sec1' : undefined;
  if (own !== undefined) {
    forms.push([`${type} ${own} PEM`, Buffer.from(key.export({ type: own, format: 'pem' }))]);
    forms.push([`${type} ${own} DER`, key.export({ type: own, format: 'der' })]);
  }
  return forms;
}

describe('sensitive content', () => {
  test('R104: a private key is found in any type and any usual form', () => {
    const wide = generateKeyPairSync('rsa', { modulusLength: 4096 });
    for (const { privateKey } of [rsa, wide, ...curves, ...edwards]) {
      for (const [form, payload] of privateForms(privateKey)) {
        assert.equal(sensitivityOfPayload(payload), 'private-key', form);
      }
    }
  });

  test('R104: public keys and other bytes are not taken for private keys', () => {
    for (const { publicKey } of [rsa, ...curves, ...edwards]) {
      assert.equal(sensitivityOfPayload(publicKey.export({ type: 'spki', format: 'der' })), undefined);
      assert.equal(sensitivityOfPayload(Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }))), undefined);
    }
    assert.equal(sensitivityOfPayload(rsa.publicKey.export({ type: 'pkcs1', format: 'der' })), undefined);
    // Version 0 and version 1 with an octet string, as other ASN.1 has them: by themselves they mean nothing.
    assert.equal(sensitivityOfPayload(Buffer.from('0201000201000201010420', 'hex')), undefined);
    assert.equal(sensitivityOfPayload(Buffer.alloc(0)), undefined);
    for (let round = 0; round < 200; round++) assert.equal(sensitivityOfPayload(randomBytes(20_000)), undefined);
  });

  test('R104: type Secret is sensitive whatever it holds, also as Kubernetes names it', () => {
    const harmless = content(Buffer.from('x'));
    assert.equal(sensitivityOf(secretType, harmless), 'secret');
    assert.equal(sensitivityOf('core/v1/Secret' as TypeUrl, harmless), 'secret');
    assert.equal(sensitivityOf('type.googleapis.com/example.Secret' as TypeUrl, harmless), 'secret');
    assert.equal(sensitivityOf('type.googleapis.com/example.SecretPolicy' as TypeUrl, harmless), undefined);
    assert.equal(sensitivityOf('type.googleapis.com/example.NoSecret' as TypeUrl, harmless), undefined);
  });

  test('R26: do_not_cache outweighs every other reason, and only its true value counts', () => {
    assert.equal(sensitivityOf(secretType, content(Buffer.from('x'), doNotCache)), 'do-not-cache');
    assert.equal(sensitivityOf(clusterType, content(Buffer.from('x'), doNotCache)), 'do-not-cache');
    const mayCache = message(text(4, 'alias'), nested(7), bytes(8, Buffer.from('x')));
    assert.equal(sensitivityOf(clusterType, content(Buffer.from('x'), mayCache)), undefined);
    assert.equal(sensitivityOf(clusterType, content(Buffer.from('x'), Buffer.from('3a02', 'hex'))), 'do-not-cache');
  });
});

describe('sealed rows', () => {
  const [first, second] = [randomBytes(32), randomBytes(32)];

  test('R104: a sealed row opens under its own context only, and shows nothing of its content', () => {
    const sealer = new RowSealer([first]);
    for (const plain of [Buffer.alloc(0), Buffer.from('PRIVATE KEY-----'), randomBytes(10_000)]) {
      const sealed = sealer.seal(plain, 'row 1');
      assert.deepEqual(sealer.open(sealed, 'row 1'), { plain, isCurrentKey: true });
      assert.deepEqual(sealer.open(sealed, 'row 2'), { error: 'damaged' });
      assert.notDeepEqual(sealer.seal(plain, 'row 1'), sealed, 'each seal has a nonce of its own');
      assert.ok(plain.length === 0 || !sealed.includes(plain));
    }
  });

  test('R104: any changed or missing byte is noticed', () => {
    const sealer = new RowSealer([first]);
    const sealed = sealer.seal(Buffer.from('content'), 'row');
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.deepEqual(sealer.open(changed, 'row'), { error: at < 4 ? 'unknown key' : 'damaged' }, `byte ${at}`);
      assert.ok('error' in sealer.open(sealed.subarray(0, at), 'row'), `cut at ${at}`);
    }
  });

  test('R104: after a rotation old rows open and say that they are due, others need their key', () => {
    const sealed = new RowSealer([first]).seal(Buffer.from('content'), 'row');
    const rotated = new RowSealer([second, first]);
    assert.deepEqual(rotated.open(sealed, 'row'), { plain: Buffer.from('content'), isCurrentKey: false });
    assert.deepEqual(new RowSealer([second]).open(sealed, 'row'), { error: 'unknown key' });
    const again = rotated.seal(Buffer.from('content'), 'row');
    assert.ok('plain' in new RowSealer([second]).open(again, 'row'), 'the first key seals');
  });

  test('R104: a key file holds 32 raw bytes or 64 hex digits, and a wrong one is never quoted', () => {
    assert.deepEqual(parseKey(first), first);
    for (const end of ['', '\n', '\r\n']) assert.deepEqual(parseKey(Buffer.from(first.toString('hex') + end)), first);
    assert.deepEqual(parseKey(Buffer.from(first.toString('hex').toUpperCase())), first);
    const wrong = ['', 'hunter2', first.toString('hex').slice(1), `${first.toString('hex')}0`, 'g'.repeat(64)];
    for (const words of wrong) {
      const parsed = parseKey(Buffer.from(words));
      assert.ok('error' in parsed, words);
      assert.match(parsed.error, new RegExp(`has ${words.length} bytes; it must be 32 raw bytes or 64 hex digits`));
      assert.ok(words === '' || !parsed.error.includes(words));
    }
  });
});
