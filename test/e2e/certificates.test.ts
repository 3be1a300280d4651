import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { selfSignedCertificate } from '../support/certificate.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { certificateSecret, httpListener, routes, types } from '../support/resource-bodies.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

describe('SDS over ADS with the real Envoy', { skip, concurrency: 1 }, () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`${variant}: a listener shows the certificate of its secret, and the next one after a rotation`, async () => {
      await using world = new ScriptedWorld({ envoy, variant });
      await world.start();
      const [first, second] = [selfSignedCertificate(), selfSignedCertificate()];
      const body = routes('inline', { answer: 'hello' });
      const listener = httpListener('web', { routes: { by: 'inline', body }, certificate: 'server-cert' });
      world.plane.put(types.listener, { web: listener });
      world.plane.put(types.secret, { 'server-cert': certificateSecret('server-cert', first) });
      await world.startEnvoy();
      const answer = await world.get('web', {}, { isTls: true });
      assert.equal(answer.body, 'hello');
      assert.equal(answer.fingerprint, new X509Certificate(first.cert).fingerprint256);
      assert.deepEqual(world.tap.requestsOf(types.secret)[0]?.names, ['server-cert']);

      world.plane.put(types.secret, { 'server-cert': certificateSecret('server-cert', second) });
      const wanted = new X509Certificate(second.cert).fingerprint256;
      const isShown = async () => (await world.get('web', {}, { isTls: true })).fingerprint === wanted;
      await world.until('the new certificate', isShown);
      assert.deepEqual(world.plane.rejections, []);
    });
  }

  test('a secret that cannot be used is refused upstream without its text, and the old one goes on', async () => {
    await using world = new ScriptedWorld({ envoy, variant: 'delta' });
    await world.start();
    const [first, other] = [selfSignedCertificate(), selfSignedCertificate()];
    const body = routes('inline', { answer: 'hello' });
    const listener = httpListener('web', { routes: { by: 'inline', body }, certificate: 'server-cert' });
    world.plane.put(types.listener, { web: listener });
    world.plane.put(types.secret, { 'server-cert': certificateSecret('server-cert', first) });
    await world.startEnvoy();
    const mixed = { cert: first.cert, key: other.key };
    world.plane.put(types.secret, { 'server-cert': certificateSecret('server-cert', mixed) });
    await world.until('the NACK', () => world.plane.rejections.length > 0);
    assert.doesNotMatch(world.plane.rejections.join(), /BEGIN/);
    const answer = await world.get('web', {}, { isTls: true });
    assert.equal(answer.fingerprint, new X509Certificate(first.cert).fingerprint256);
  });
});
