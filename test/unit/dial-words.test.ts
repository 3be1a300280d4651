import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UpstreamCredentials } from '../../src/upstream/credentials.ts';
import { type DialSide, dialWords } from '../../src/upstream/dial-words.ts';

const plain: DialSide = { isTls: false, certificate: undefined };
const tls: DialSide = { isTls: true, certificate: undefined };
const mutual: DialSide = { isTls: true, certificate: 'CN=weir, valid until Dec 31 23:59:59 2049 GMT' };

/** An error as grpc-js 1.14 hands it on. */
const dialled = (cause: string): string =>
  `No connection established. Last error: ${cause} (2026-11-28T17:10:10.845Z). Resolution note: `;
/** A line of OpenSSL 3. */
const openssl = (reason: string): string =>
  `40EDE953CC7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 116\n`;

describe('a failed dial in words for people', () => {
  test('what libraries put around the cause is left out, and words that have nothing around them stay', () => {
    for (const [message, words] of [
      [dialled('Error: connect ECONNREFUSED 127.0.0.1:1'), 'connect ECONNREFUSED 127.0.0.1:1'],
      [
        'No connection established. Last error: Error: connect ENOENT /run/x. Resolution note: ',
        'connect ENOENT /run/x',
      ],
      ['no connection within 10000 ms', 'no connection within 10000 ms'],
      ['Name resolution failed for target dns:cp.example:1', 'Name resolution failed for target dns:cp.example:1'],
      ['', ''],
    ] as const) {
      for (const side of [plain, tls, mutual])
        assert.deepEqual(dialWords(message, side), { words, isOverServer: false });
    }
  });

  test('in plain text a server that says nothing may want TLS; one that is not there does not', () => {
    for (const cause of ['Failed to connect', 'Error: read ECONNRESET', 'Error: socket hang up']) {
      const { words, isOverServer } = dialWords(dialled(cause), plain);
      assert.equal(words, `${cause.replace('Error: ', '')} (does it want TLS? setting upstreamTlsCa)`);
      assert.equal(isOverServer, false);
    }
  });

  test('over TLS it may not take our certificate, of which TLS 1.3 tells late or not at all', () => {
    const words = 'Failed to connect (does it take our certificate';
    const settings = '? settings upstreamTlsCert, upstreamTlsKey)';
    assert.equal(dialWords(dialled('Failed to connect'), tls).words, `${words}${settings}`);
    assert.equal(dialWords(dialled('Failed to connect'), mutual).words, `${words}, ${mutual.certificate}${settings}`);
  });

  test('a server that wants a certificate, or another one, is told with the setting, and ours by its name', () => {
    for (const reason of ['tlsv13 alert certificate required', 'tlsv1 alert unknown ca', 'tlsv1 alert access denied']) {
      const message = dialled(`Error: ${openssl(reason)}`);
      assert.deepEqual(dialWords(message, tls), {
        words: `the control plane wants a certificate of ours: ${reason} (settings upstreamTlsCert, upstreamTlsKey)`,
        isOverServer: false,
      });
      assert.deepEqual(dialWords(message, mutual), {
        words: `the control plane refuses our certificate: ${reason} (${mutual.certificate}; setting upstreamTlsCert)`,
        isOverServer: false,
      });
    }
  });

  test('versions that do not meet, and a server without TLS, are told with the setting', () => {
    for (const [reason, words] of [
      [
        'tlsv1 alert protocol version',
        /^there is no TLS version that both sides speak: .* \(setting upstreamTlsMinVersion\)$/,
      ],
      ['unsupported protocol', /^there is no TLS version that both sides speak: .* \(setting upstreamTlsMinVersion\)$/],
      ['wrong version number', /^it does not speak TLS there: wrong version number \(setting upstreamTlsCa\)$/],
      ['http request', /^it does not speak TLS there: http request \(setting upstreamTlsCa\)$/],
    ] as const) {
      const told = dialWords(dialled(`Error: ${openssl(reason)}`), mutual);
      assert.match(told.words, words);
      assert.equal(told.isOverServer, false);
    }
  });

  test('what is wrong with the server’s certificate is worth a look at it', () => {
    const hint = '; if the root CA is installed locally, try running Node.js with --use-system-ca';
    for (const cause of [
      'unable to verify the first certificate',
      'self-signed certificate in certificate chain',
      'certificate has expired',
      'certificate signature failure',
    ]) {
      assert.deepEqual(dialWords(dialled(`Error: ${cause}${hint}`), mutual), { words: cause, isOverServer: true });
    }
  });
});

describe('what a server says', () => {
  const said = (headers: Readonly<Record<string, string>>, text: string): string => {
    const settings = { tls: undefined, serverName: undefined, sans: [], tokenFile: undefined };
    const none = (): void => {};
    return new UpstreamCredentials({ ...settings, headers: new Map(Object.entries(headers)) }, none, none).scrub(text);
  };

  test('values of our headers never come out of it, however often it quotes them; short ones are words like others', () => {
    const headers = { 'x-api-key': 'k3y-4711', clusterid: 'east' };
    assert.equal(said(headers, 'k3y-4711 is wrong in east (k3y-4711)'), '(withheld) is wrong in east ((withheld))');
    assert.equal(said({}, 'k3y-4711 is wrong'), 'k3y-4711 is wrong');
  });

  test('it is one line, and moves nothing on a terminal', () => {
    assert.equal(said({}, '\u001b[2J\rno\r\nsuch\u2028node\u202e\u0000\u0085'), '[2J no such node');
    assert.equal(said({}, 'plain: äß → 漢字'), 'plain: äß → 漢字');
  });
});
