import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AllowList } from '../../src/agent/allow-list.ts';
import { IdentityPolicy, type IdentitySettings } from '../../src/agent/identity.ts';
import { nested, text } from '../../src/demo/proto.ts';
import type { Peer } from '../../src/local-ads/peer.ts';
import { readNode } from '../../src/xds/node.ts';
import { grpcCode } from '../../src/xds/types.ts';
import type { ConfiguredNode } from '../../src/xds/wire-request.ts';
import { encodeNode } from '../support/messages.ts';

const configured: ConfiguredNode = { id: 'pod', cluster: '', region: '', zone: '', subZone: '', metadata: {} };

const peer: Peer = { listener: 'test', names: [], way: 'private' };

function policy(settings: Partial<IdentitySettings> = {}): IdentityPolicy {
  return new IdentityPolicy({
    nodeSharing: 'refuse',
    node: undefined,
    dropExtensions: false,
    shareBy: undefined,
    cacheMatch: ['id'],
    allowList: new AllowList([]),
    ...settings,
  });
}

/** A Node with string metadata. */
function node(id: string, metadata: Readonly<Record<string, string>> = {}, userAgent = 'envoy'): Buffer {
  const fields = Object.entries(metadata).map(([key, value]) => nested(1, text(1, key), nested(2, text(3, value))));
  return encodeNode(id, [nested(3, ...fields), text(6, userAgent)]);
}

function identityOf(bytes: Buffer) {
  const identity = readNode(bytes);
  assert.ok(!('error' in identity));
  return identity;
}

/** The view a client is let into; fails when it is refused. */
function viewOf(policy: IdentityPolicy, bytes: Buffer, attached?: Buffer) {
  const admission = policy.admit(bytes, peer, attached && identityOf(attached));
  assert.ok('viewKey' in admission, 'message' in admission ? admission.message : '');
  return admission.viewKey;
}

/** Why a client is refused; fails when it is let in. */
function refusal(policy: IdentityPolicy, bytes: Buffer, attached?: Buffer): string {
  const admission = policy.admit(bytes, peer, attached && identityOf(attached));
  assert.ok('code' in admission);
  assert.equal(admission.code, grpcCode.permissionDenied);
  return admission.message;
}

describe('identity', () => {
  test('R66: a view is made of id, cluster, locality and metadata, whatever their order, not of the Envoy version', () => {
    const of = (bytes: Buffer) => viewOf(policy(), bytes);
    assert.equal(of(node('a', { x: '1', y: '2' })), of(node('a', { y: '2', x: '1' })));
    assert.equal(of(node('a', {}, 'envoy')), of(node('a', {}, 'other')));
    assert.notEqual(of(node('a')), of(node('b')));
    assert.notEqual(of(node('a', { x: '1' })), of(node('a', { x: '2' })));
  });

  test('R67: refuse compares with the client attached; without one anybody may come', () => {
    assert.match(refusal(policy(), node('b'), node('a')), /node\.id \('b', held: 'a'\)/);
    assert.match(refusal(policy(), node('a', { key: 'secret' }), node('a')), /node\.metadata\['key'\];/);
    assert.doesNotMatch(refusal(policy(), node('a', { key: 'secret' }), node('a')), /'secret'/);
    assert.ok(viewOf(policy(), node('b')));
  });

  test('R66: no two localities look the same', () => {
    const of = (region: string, zone: string) =>
      viewOf(policy(), encodeNode('a', [nested(4, text(1, region), text(2, zone))]));
    assert.notEqual(of('a/b', 'c'), of('a', 'b/c'));
    assert.notEqual(of('a%2Fb', 'c'), of('a/b', 'c'));
  });

  test('R68: a configured node that could not be sent is an error, not another identity', () => {
    let metadata: Record<string, unknown> = {};
    for (let depth = 0; depth < 40; depth += 1) metadata = { deeper: metadata };
    assert.throws(
      () => policy({ node: { ...configured, metadata } }),
      /configured node cannot be used: .*deeper than 32/,
    );
  });

  test('R65: shared has one view, whoever comes', () => {
    const shared = policy({ nodeSharing: 'shared' });
    assert.equal(viewOf(shared, node('a')), viewOf(shared, node('b', { x: '1' }), node('a')));
    const named = policy({ nodeSharing: 'shared', node: configured });
    assert.equal(viewOf(named, node('a')), viewOf(named, node('b')));
  });

  test('R68: a configured identity is compared by what it says, and never replaced', () => {
    const own = policy({ node: { ...configured, metadata: { team: 'red' } } });
    assert.match(refusal(own, node('other', { team: 'red' })), /node\.id/);
    assert.match(refusal(own, node('pod', { team: 'blue' })), /node\.metadata\['team'\]/);
    const admission = own.admit(node('pod', { team: 'red', envoyOnly: 'x' }), peer, undefined);
    assert.ok('node' in admission);
    const upstream = identityOf(admission.node);
    assert.deepEqual([upstream.id, [...upstream.metadata.keys()]], ['pod', ['team']]);
  });
});
