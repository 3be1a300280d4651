import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { type ClientTlsPaths, readClientTls } from '../../src/net/client-tls.ts';
import { type CredentialSettings, UpstreamCredentials } from '../../src/upstream/credentials.ts';
import { clientCertificate, selfSignedCertificate } from '../support/certificate.ts';

// Files of certificates and tokens, as they are read by those who dial and by the clock.

/** How often the files are looked at, in ms. */
const lookMs = 2_000;
const waitMs = 10_000;
const address = 'localhost:1';
const ca = selfSignedCertificate();
const systemCas: ClientTlsPaths = { ca: 'system', cert: undefined, key: undefined, minVersion: 'TLSv1.2' };

function folderOf(t: TestContext): string {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

/** Writes the certificate of a client with this name, its key and its CA. */
function writeCertificate(folder: string, name: string): ClientTlsPaths {
  const own = clientCertificate(ca, name, []);
  const paths = { ca: join(folder, 'ca.pem'), cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  writeFileSync(paths.ca, ca.cert);
  writeFileSync(paths.cert, own.cert);
  writeFileSync(paths.key, own.key);
  return { ...paths, minVersion: 'TLSv1.2' };
}

/** Credentials that look at their files only when the clock of the test is moved, and what they tell of changes. */
function watched(t: TestContext, settings: Partial<CredentialSettings>) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const changes: string[] = [];
  const all = {
    tls: undefined,
    serverName: undefined,
    sans: [],
    tokenFile: undefined,
    headers: new Map(),
    ...settings,
  };
  const credentials = new UpstreamCredentials(
    all,
    () => {},
    what => void changes.push(what),
  );
  t.after(() => credentials.close());
  return { credentials, changes, look: () => t.mock.timers.tick(lookMs) };
}

describe('reading certificates', () => {
  test('what has not changed is not made anew, be it the CAs of the machine or files', async t => {
    const system = await readClientTls(systemCas);
    assert.equal(await readClientTls(systemCas, system), system);
    const folder = folderOf(t);
    const paths = writeCertificate(folder, 'one');
    const one = await readClientTls(paths);
    assert.equal(await readClientTls(paths, one), one);
    writeCertificate(folder, 'two');
    const two = await readClientTls(paths, one);
    assert.notEqual(two.context, one.context);
    assert.match(two.certificate ?? '', /^CN=two, valid until /);
  });

  test('a CA that cannot be read beside one that can keeps nobody from using that', async t => {
    const folder = folderOf(t);
    const bundle = join(folder, 'ca.pem');
    writeFileSync(bundle, `${ca.cert}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n`);
    const { authorities } = await readClientTls({ ...systemCas, ca: bundle });
    assert.deepEqual(authorities, ['CN=localhost', '(one that cannot be read)']);
    writeFileSync(bundle, 'nothing of the kind');
    await assert.rejects(readClientTls({ ...systemCas, ca: bundle }), {
      message: `${bundle} holds no CA certificate (PEM)`,
    });
  });
});

describe('a change is told once to whoever waits, whoever has read it first', () => {
  test('a certificate: a dial, then a look', async t => {
    const folder = folderOf(t);
    const { credentials, changes, look } = watched(t, { tls: writeCertificate(folder, 'one') });
    await credentials.credentials(address);
    assert.deepEqual(changes, []);
    writeCertificate(folder, 'two');
    await credentials.credentials(address);
    assert.deepEqual(changes, ['certificate']);
    writeCertificate(folder, 'three');
    look();
    await waitFor('the look', waitMs, () => changes.length > 1 || undefined);
    await credentials.credentials(address);
    assert.deepEqual(changes, ['certificate', 'certificate']);
  });

  test('a token: a stream, then a look; neither the token nor the one before it is told by what a server says', async t => {
    const tokenFile = join(folderOf(t), 'token');
    const write = (token: string): void => writeFileSync(tokenFile, `${token}\n`);
    write('token-one');
    const { credentials, changes, look } = watched(t, { tokenFile });
    const sent = async () => (await credentials.headers()).get('authorization');
    assert.deepEqual(await sent(), ['Bearer token-one']);
    assert.deepEqual(changes, []);
    write('token-two');
    assert.deepEqual(await sent(), ['Bearer token-two']);
    assert.deepEqual(changes, ['token']);
    assert.equal(credentials.scrub('token-one is old, token-two is not'), '(withheld) is old, (withheld) is not');
    write('token-three');
    look();
    await waitFor('the look', waitMs, () => changes.length > 1 || undefined);
    assert.deepEqual(await sent(), ['Bearer token-three']);
    assert.deepEqual(changes, ['token', 'token']);
  });
});
