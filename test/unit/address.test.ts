import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress, isLocalOnly, parseAddress } from '../../src/xds/address.ts';

function parsed(text: string) {
  const address = parseAddress(text);
  assert.ok(!('error' in address), 'error' in address ? address.error : '');
  return address;
}

describe('addresses', () => {
  test('what is read is written the same', () => {
    for (const text of [
      '127.0.0.1:15910',
      'localhost:1',
      '[::1]:65535',
      'a.b:80',
      'unix:/run/weir.sock',
      'unix:rel.sock',
    ]) {
      assert.equal(formatAddress(parsed(text)), text);
    }
    assert.equal(formatAddress(parsed('unix:///run/weir.sock')), 'unix:/run/weir.sock');
  });

  test('what is neither a port of a host nor a socket is refused with the forms there are', () => {
    for (const text of ['', 'host', 'host:', ':80', 'host:65536', '::1:80', 'http://host:80', 'host:80x']) {
      const address = parseAddress(text);
      assert.ok('error' in address, text);
      assert.match(address.error, /neither host:port nor unix:\/path/);
    }
    const empty = parseAddress('unix:');
    assert.ok('error' in empty && empty.error.includes('names no path'));
  });

  test('R112: the path of a socket is counted in bytes, 107 at most', () => {
    assert.equal(parsed(`unix:/${'x'.repeat(106)}`).kind, 'unix');
    for (const path of [`/${'x'.repeat(107)}`, `/${'ü'.repeat(54)}`]) {
      const address = parseAddress(`unix:${path}`);
      assert.ok('error' in address && address.error.includes('the system allows 107'), path);
    }
  });

  test('R124: only loopback and sockets are local', () => {
    for (const text of ['127.0.0.1:1', '127.8.9.1:1', '[::1]:1', 'localhost:1', 'unix:/x'])
      assert.ok(isLocalOnly(parsed(text)));
    for (const text of ['0.0.0.0:1', '[::]:1', '10.0.0.1:1', '127.0.0.1.example:1', 'host:1']) {
      assert.ok(!isLocalOnly(parsed(text)), text);
    }
  });
});
