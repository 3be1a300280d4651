import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { envoyKinds } from '../../src/cli/envoy-kinds.ts';
import { envoyMessages } from '../../src/envoy/messages.ts';
import { referencesIn } from '../../src/envoy/references.ts';
import { decodeEnvoyResource } from '../../src/envoy/resource.ts';
import { encodeJson } from '../../src/proto/json-reader.ts';
import { anyOf } from '../support/envoy-resources.ts';
import { validJson } from '../support/proto-arbitrary.ts';
import { types } from '../support/resource-bodies.ts';

// Whatever a control plane sends, the command line shows something of it.

const source = { catalog: envoyMessages, inAny: 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy' };
const messageOf = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
const valid = fc
  .constantFrom(...Object.values(types))
  .chain(typeUrl => validJson(source, messageOf(typeUrl)).map(json => ({ typeUrl, json })))
  .map(({ typeUrl, json }) => {
    const body = encodeJson(envoyMessages, messageOf(typeUrl), json);
    assert.ok(Buffer.isBuffer(body), JSON.stringify(body));
    return { typeUrl, body };
  });

/** Valid bytes, some of which were changed, and that may be cut off. */
const nearly = fc
  .tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }), fc.nat())
  .map(([{ typeUrl, body }, changes, cut]) => {
    const bytes = Buffer.from(body);
    for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return { typeUrl, body: cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes };
  });

describe('whatever a resource holds', () => {
  test('it is decoded, its references are found and every table says something of it', () => {
    fc.assert(
      fc.property(fc.oneof(valid, nearly), ({ typeUrl, body }) => {
        const any = anyOf(typeUrl, body);
        const content = decodeEnvoyResource(typeUrl, any);
        assert.equal(content['@type'], typeUrl);
        JSON.stringify(content);
        for (const { name, where } of referencesIn(typeUrl, any)) assert.ok(name !== '' && where !== '');
        for (const { table } of envoyKinds) {
          for (const { cells } of table.rowsOf({ typeUrl, name: 'n', version: '', content })) {
            assert.equal(cells.length, table.heading.length);
            for (const cell of cells) assert.ok(cell !== '' && !cell.includes('\n'), JSON.stringify(cells));
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('bytes that are nothing are decoded to what they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        const content = decodeEnvoyResource(types.cluster, Buffer.from(bytes));
        assert.ok('@type' in content);
        referencesIn(types.cluster, Buffer.from(bytes));
      }),
    );
  });
});
