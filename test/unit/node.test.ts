import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { message, nested, text } from '../../src/demo/proto.ts';
import {
  differingFields,
  matchKeyOf,
  type NodeIdentity,
  nodeForUpstream,
  readNode,
  viewKeyOf,
} from '../../src/xds/node.ts';
import { encodeNode } from '../../src/xds/wire-request.ts';

function identity(bytes: Buffer): NodeIdentity {
  const node = readNode(bytes);
  assert.ok(!('error' in node), 'the node can be read');
  return node;
}

const configured = {
  id: 'n',
  cluster: 'c',
  region: 'r',
  zone: 'z',
  subZone: 's',
  metadata: { a: 1, b: { c: ['x', true, null] } },
};

describe('node', () => {
  test('R66: the view key does not depend on the order of metadata keys', () => {
    const { metadata } = configured;
    const turned = { b: metadata.b, a: metadata.a };
    const one = viewKeyOf(identity(encodeNode(configured)));
    const other = viewKeyOf(identity(encodeNode({ ...configured, metadata: turned })));
    assert.equal(one, other);
  });

  test('R66: id, cluster, locality and metadata each make another view; the user agent does not', () => {
    const key = viewKeyOf(identity(encodeNode(configured)));
    for (const change of [{ id: 'm' }, { cluster: 'd' }, { zone: 'y' }, { metadata: { a: 2 } }]) {
      assert.notEqual(viewKeyOf(identity(encodeNode({ ...configured, ...change }))), key);
    }
    const withAgent = Buffer.concat([encodeNode(configured), message(text(6, 'envoy'), text(7, '1.40.0'))]);
    assert.equal(viewKeyOf(identity(withAgent)), key);
  });

  test('R69: a new pod of who asks for mesh configuration finds what was stored for the one before; of a proxy only its address is passed over', () => {
    const key = (id: string, metadata: Record<string, unknown>): string =>
      matchKeyOf(identity(encodeNode({ ...configured, id, metadata })), ['id', 'cluster', 'metadata']);
    const [one, other, elsewhere] = [
      'sidecar~10.0.0.1~istiod-1.istio-system~istio-system.svc.cluster.local',
      'sidecar~10.0.0.2~istiod-2.istio-system~istio-system.svc.cluster.local',
      'sidecar~10.0.0.1~istiod-1.other~istio-system.svc.cluster.local',
    ] as const;
    const api = { GENERATOR: 'api' };
    assert.equal(key(one, { ...api, INSTANCE_IPS: '10.0.0.1' }), key(other, { ...api, INSTANCE_IPS: '10.0.0.2' }));
    assert.notEqual(key(one, api), key(elsewhere, api));
    assert.notEqual(key(one, {}), key(other, {}));
    assert.equal(key(one, {}), key(one.replace('10.0.0.1', '10.0.0.9'), {}));
  });

  test('R67: differing fields are named, metadata by key only', () => {
    const held = identity(encodeNode(configured));
    const other = identity(
      encodeNode({ ...configured, id: 'm', metadata: { a: 'secret value', b: configured.metadata.b } }),
    );
    const fields = differingFields(held, other).join('; ');
    assert.match(fields, /node\.id \('m', held: 'n'\)/);
    assert.match(fields, /node\.metadata\['a'\]/);
    assert.ok(!fields.includes('secret value'));
  });

  test('R68: extensions and the TTL feature can be left out upstream; unknown fields stay', () => {
    const unknown = message(text(99, 'kept'));
    const bytes = Buffer.concat([
      encodeNode(configured),
      message(
        nested(9, text(1, 'some.extension')),
        text(10, 'xds.config.supports-resource-ttl'),
        text(10, 'other-feature'),
      ),
      unknown,
    ]);
    const sent = nodeForUpstream(bytes, true).toString('latin1');
    assert.ok(!sent.includes('some.extension') && !sent.includes('resource-ttl'));
    assert.ok(sent.includes('other-feature') && sent.includes('kept'));
    assert.ok(nodeForUpstream(bytes, false).toString('latin1').includes('some.extension'));
  });

  test('metadata nested without end is refused, not followed', () => {
    let value = message(text(3, 'leaf'));
    for (let depth = 0; depth < 100; depth++)
      value = message(
        nested(
          5,
          nested(
            1,
            text(1, 'k'),
            nested(2, writer => writer.raw(value)),
          ),
        ),
      );
    const bytes = message(
      text(1, 'n'),
      nested(
        3,
        nested(
          1,
          text(1, 'k'),
          nested(2, writer => writer.raw(value)),
        ),
      ),
    );
    assert.ok('error' in readNode(bytes));
  });
});
