import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { AgentError, exitCodes } from '../../src/agent/errors.ts';
import { type FetchedSeed, fetchSeed, type SeedOptions } from '../../src/agent/seed-fetch.ts';
import { RowSealer } from '../../src/cache/secrets.ts';
import { decodeBundle, encodeBundle } from '../../src/cache/seed-bundle.ts';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import type { ViewKey } from '../../src/xds/types.ts';
import { selfSignedCertificate } from '../support/certificate.ts';

const certificate = selfSignedCertificate();
const folder = makeFolder();
const cleanUps: (() => void)[] = [() => removeFolder(folder)];
after(() => {
  for (const cleanUp of cleanUps) cleanUp();
});

const notes: string[] = [];
const defaults: SeedOptions = {
  timeoutMs: 10_000,
  bytesMax: 100_000,
  retries: 0,
  tlsCa: Buffer.from(certificate.cert),
  note: text => notes.push(text),
};

/** What a server saw and where it is. */
interface Site {
  readonly url: string;
  readonly seen: IncomingMessage[];
}

async function listen(server: Server, scheme: string, seen: IncomingMessage[]): Promise<Site> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { url: `${scheme}://127.0.0.1:${address.port}`, seen };
}

/** Serves with the n-th of `answers`, the last one for ever. */
async function serve(scheme: 'https' | 'http', ...answers: ((response: ServerResponse) => void)[]): Promise<Site> {
  const seen: IncomingMessage[] = [];
  const onRequest: RequestListener = (request, response) => {
    const answer = answers[Math.min(seen.length, answers.length - 1)];
    seen.push(request);
    answer?.(response);
  };
  const server = scheme === 'https' ? createTlsServer(certificate, onRequest) : createServer(onRequest);
  return listen(server, scheme, seen);
}

const status =
  (code: number, headers: Record<string, string> = {}, body: Buffer | string = '') =>
  (response: ServerResponse): void => {
    response.writeHead(code, headers).end(body);
  };
const drop = (response: ServerResponse): void => {
  response.destroy();
};

async function fetched(source: string, options: Partial<SeedOptions> = {}): Promise<FetchedSeed> {
  const result = await fetchSeed(source, { ...defaults, ...options });
  assert.ok(result !== 'not modified');
  return result;
}

/** The words of the error that a fetch ends with. */
async function refused(source: string, options: Partial<SeedOptions> = {}): Promise<string> {
  let error: unknown;
  await fetchSeed(source, { ...defaults, ...options }).catch((thrown: unknown) => {
    error = thrown;
  });
  assert.ok(error instanceof AgentError, 'an AgentError tells why');
  return error.describe();
}

describe('a seed by HTTPS', () => {
  test('a sealed and signed bundle comes over and is read', async () => {
    const keys = generateKeyPairSync('ed25519');
    const sealer = new RowSealer([randomBytes(32)]);
    const viewKey = 'key' as ViewKey;
    const file = encodeBundle(
      { viewKey, matchKey: 'm', node: Buffer.from('node'), usedWallMs: 1, provenance: 'disk', types: [] },
      { createdWallMs: 1, upstream: [], nodeId: 'n', matchFields: [], sealer, signingKey: keys.privateKey },
    );
    const site = await serve('https', status(200, { etag: '"one"' }, file));
    const { bytes, etag } = await fetched(`${site.url}/seed`);
    assert.equal(etag, '"one"');
    const limits = { bytesMax: 10_000, resourcesMax: 10 };
    const result = decodeBundle(bytes, { ...limits, sealer, verifyKey: keys.publicKey });
    assert.ok('view' in result && result.view.viewKey === viewKey);
    assert.equal(site.seen[0]?.headers['if-none-match'], undefined);
  });

  test('an ETag is sent back, and 304 says that nothing is new', async () => {
    const site = await serve('https', status(304), status(200, { etag: '"two"' }, 'new'));
    assert.equal(await fetchSeed(site.url, { ...defaults, etag: '"one"' }), 'not modified');
    assert.equal(site.seen[0]?.headers['if-none-match'], '"one"');
    assert.deepEqual(await fetched(site.url, { etag: '"one"' }), { bytes: Buffer.from('new'), etag: '"two"' });
    const odd = await serve('https', status(304));
    assert.match(await refused(odd.url), /answered 304/, 'nobody asked whether it is new');
  });

  test('a certificate that nobody trusts is refused at once', async () => {
    const site = await serve('https', status(200, {}, 'x'));
    assert.match(await refused(site.url, { tlsCa: undefined, retries: 3 }), /cannot fetch .*self-signed certificate/);
    assert.match(await refused(site.url, { tlsCa: Buffer.from(selfSignedCertificate().cert) }), /cannot fetch/);
    assert.deepEqual([site.seen.length, notes.splice(0)], [0, []]);
  });

  test('user and password go to the own host only, and neither they nor the query are in any message', async () => {
    const other = await serve('https', status(404));
    const site = await serve('https', status(302, { location: `${other.url}/gone` }));
    const source = `${site.url.replace('//', '//user:p%40ss@')}/seed?token=hunter2`;
    const words = await refused(source);
    assert.match(words, /cannot fetch the seed https:\/\/127\.0\.0\.1:\d+\/seed: https:.*\/gone answered 404/);
    assert.doesNotMatch(words, /user|p%40ss|p@ss|hunter2|token/);
    const [request] = site.seen;
    assert.equal(request?.url, '/seed?token=hunter2');
    assert.equal(request?.headers.authorization, `Basic ${Buffer.from('user:p@ss').toString('base64')}`);
    assert.equal(other.seen[0]?.headers.authorization, undefined);
  });

  test('a redirect is followed, but not for ever and never out of the encryption', async () => {
    const plain = await serve('http', status(200, {}, 'x'));
    const site = await serve('https', status(307, { location: '/there' }), status(200, {}, 'there'));
    assert.equal((await fetched(site.url)).bytes.toString(), 'there');
    assert.deepEqual(
      site.seen.map(request => request.url),
      ['/', '/there'],
    );
    const circle = await serve('https', status(302, { location: '/' }));
    assert.match(await refused(circle.url, { retries: 3 }), /redirects more than 5 times/);
    assert.equal(circle.seen.length, 6);
    const leak = await serve('https', status(301, { location: plain.url }));
    assert.match(await refused(leak.url), /redirects to http:.*not encrypted/);
    assert.equal(plain.seen.length, 0);
    assert.equal((await fetched(leak.url, { allowPlainHttp: true })).bytes.toString(), 'x');
    const strange = await serve('https', status(301, { location: 'file:///etc/hosts' }));
    assert.match(await refused(strange.url), /neither https/);
    const nowhere = await serve('https', status(301));
    assert.match(await refused(nowhere.url), /without a usable location/);
  });
});

describe('a seed over a bad line', () => {
  test('network errors and 5xx are tried again, as often as asked for', async () => {
    notes.length = 0;
    const site = await serve('http', status(503), drop, status(200, {}, 'late'));
    assert.equal((await fetched(site.url, { retries: 2 })).bytes.toString(), 'late');
    const lines = notes.splice(0);
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /trying again in \d+ ms: the server answered 503/);
    const broken = await serve('http', status(500));
    assert.match(await refused(broken.url, { retries: 1 }), /answered 500/);
    assert.equal(broken.seen.length, 2);
  });

  test('4xx is final', async () => {
    const site = await serve('http', status(403));
    assert.match(await refused(site.url, { retries: 3 }), /answered 403; check address and credentials/);
    assert.equal(site.seen.length, 1);
  });

  test('an answer that is announced or becomes too long is cut off, and final', async () => {
    const announced = await serve('http', status(200, { 'content-length': '100001' }, Buffer.alloc(100_001)));
    assert.match(await refused(announced.url, { retries: 3 }), /more than 100000 bytes/);
    const ends: Promise<void>[] = [];
    const endless = await serve('http', response => {
      const more = (): void => {
        while (response.write(Buffer.alloc(60_000)));
      };
      ends.push(new Promise(resolve => response.on('drain', more).on('close', resolve)));
      more();
    });
    assert.match(await refused(endless.url, { retries: 3 }), /more than 100000 bytes/);
    await Promise.race(ends);
    assert.deepEqual([announced.seen.length, endless.seen.length], [1, 1]);
  });

  test('a server that says nothing, or stops in the middle, runs into the timeout', async () => {
    const silent = await serve('http', () => undefined);
    assert.match(await refused(silent.url, { timeoutMs: 100 }), /no complete answer within 100 ms/);
    const stuck = await serve('http', response => response.writeHead(200).write('half'));
    assert.match(await refused(stuck.url, { timeoutMs: 200 }), /no complete answer within 200 ms/);
  });

  test('an answer that ends before its length is no answer', async () => {
    const site = await serve('http', response => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    });
    assert.match(await refused(site.url), /cannot fetch/);
  });

  test('an encoded answer is refused, since its digests are those of the file', async () => {
    const site = await serve('http', status(200, { 'content-encoding': 'gzip' }, 'x'));
    assert.match(await refused(site.url), /content encoding is 'gzip'/);
  });

  test('whoever aborts waits for nothing more', async () => {
    const aborter = new AbortController();
    const site = await serve('http', () => aborter.abort(new Error('the agent stops')));
    assert.match(await refused(site.url, { retries: 9, signal: aborter.signal }), /given up: the agent stops/);
    const later = new AbortController();
    const failing = await serve('http', status(503));
    const words = await refused(failing.url, {
      retries: 9,
      signal: later.signal,
      note: () => later.abort(new Error('enough')),
    });
    assert.match(words, /given up: enough/);
    assert.equal(failing.seen.length, 1);
  });
});

describe('where a seed may come from', () => {
  test('plain HTTP is for loopback, or for who verifies signatures', async () => {
    // 192.0.2.0/24 is nobody's (RFC 5737), and it is not asked.
    const words = await refused('http://user:hunter2@192.0.2.1/seed');
    assert.match(words, /the seed http:\/\/192\.0\.2\.1\/seed is not encrypted; use https/);
    assert.doesNotMatch(words, /hunter2/);
    const lookalike = await refused('http://127.0.0.1.example/seed');
    assert.match(lookalike, /not encrypted/);
  });

  test('another scheme, and what is no URL, are a wrong usage', async () => {
    for (const source of ['ftp://user:hunter2@host/seed', 'https://user:hunter2@ho st/', 'http://:1/']) {
      await assert.rejects(fetchSeed(source, defaults), (error: unknown) => {
        assert.ok(error instanceof AgentError && error.exitCode === exitCodes.usage);
        assert.match(error.message, /no file, https:\/\/ or http:\/\/ address/);
        return !error.describe().includes('hunter2');
      });
    }
  });

  test('a file is read as it is, up to the limit', async () => {
    const path = join(folder, 'a.seed');
    const content = randomBytes(1_000);
    writeFileSync(path, content);
    assert.deepEqual(await fetched(path, { bytesMax: 1_000 }), { bytes: content, etag: undefined });
    assert.match(await refused(path, { bytesMax: 999 }), /cannot read the seed .*a\.seed: it has 1000 bytes, the most/);
    assert.match(await refused(join(folder, 'none.seed')), /cannot read the seed .*none\.seed: ENOENT/);
    assert.match(await refused(folder), /it is no regular file/);
  });
});
