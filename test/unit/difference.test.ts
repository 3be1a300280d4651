import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ShownResource } from '../../src/cli/agent-report.ts';
import { clientDifferences, type DiskRow, diskDifferences, upstreamDifferences } from '../../src/cli/difference.ts';
import { type EnvoyDump, type ExpectedResource, envoyDifferences, readEnvoyDump } from '../../src/cli/envoy-dump.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { encodeCluster, encodeEndpoints } from '../../src/demo/resources.ts';
import { decodeEnvoyResource } from '../../src/envoy/resource.ts';
import { clusterType, endpointType, listenerType, secretType } from '../../src/xds/type-urls.ts';
import { clustersReport } from '../support/reports.ts';

const type = clustersReport();

function held(name: string, change: Partial<ShownResource> = {}): ShownResource {
  return {
    viewKey: 'v',
    typeUrl: clusterType,
    name,
    version: '1',
    metadataVersion: undefined,
    bytes: 10,
    digest: 'd',
    changedWallMs: 1,
    endsWallMs: undefined,
    source: 'upstream',
    server: 'cp:1',
    isCurrent: true,
    confirmedWallMs: 1,
    trust: 'accepted',
    isIdle: false,
    words: { subscribed: 1, acked: 1, nacked: 0, sent: 0 },
    clients: [],
    quarantine: undefined,
    withheld: undefined,
    ...change,
  };
}

function stored(name: string, change: Partial<DiskRow> = {}): DiskRow {
  return { viewKey: 'v', name, state: 'kept', version: '1', bytes: 10, trust: 'accepted', ...change };
}

const said = (all: readonly { readonly name: string; readonly where: string; readonly what: string }[]): string[] =>
  all.map(one => `${one.where}: ${one.name} ${one.what}`);

describe('differences to clients, control plane and disk', () => {
  test('clients: what was taken is no difference, equal words are told once', () => {
    const word = (nodeId: string, word: 'acked' | 'sent' | 'nacked' | 'pending' | 'not sent', error?: string) => ({
      streamId: 1,
      nodeId,
      word,
      error,
    });
    const rows = [
      held('a', { clients: [word('n1', 'acked'), word('n2', 'sent')] }),
      held('b', { clients: ['n1', 'n2', 'n3', 'n4'].map(id => word(id, 'nacked', 'bad')) }),
      held('c', { clients: [word('n1', 'pending'), word('n2', 'not sent')] }),
    ];
    assert.deepEqual(said(clientDifferences(type, rows)), [
      '4 clients (n1, n2, n3 …): b has rejected it: bad',
      'client n1: c has not answered the newest content yet',
      'client n2: c was not sent it yet',
    ]);
  });

  test('control plane: a refused content and removals that are held back', () => {
    const quarantine = { name: 'a', words: 'bad', sinceWallMs: 1, served: 'last accepted' } as const;
    const rows = [held('a', { quarantine }), held('b', { quarantine: { ...quarantine, served: 'all the same' } })];
    assert.deepEqual(said(upstreamDifferences({ ...type, heldRemovals: 2 }, rows)), [
      'control plane: a has sent a content that every client rejected; the content before it is served',
      'control plane:  has removed 2 resources, which the guard holds back',
    ]);
  });

  test('disk: missing, left over, of another version or size; not what is withheld, idle or refused on purpose', () => {
    const rows = ['same', 'gone', 'old', 'small', 'key', 'refused'].map(name => held(name));
    rows.push(held('idle', { isIdle: true }));
    const disk = [
      stored('same'),
      stored('old', { version: '0' }),
      stored('small', { bytes: 3 }),
      stored('key', { state: 'withheld', bytes: 0 }),
      stored('refused', { version: '2', trust: 'refused' }),
      stored('left'),
      stored('', { state: 'damaged' }),
    ];
    assert.deepEqual(said(diskDifferences(type, rows, disk)), [
      'disk: gone is not there',
      'disk: old has version 0, held is 1',
      'disk: small has 3 bytes, held are 10',
      'disk: left has it, and it is not held any more',
      'disk:  has a damaged row',
    ]);
  });
});

/** An Envoy's dump with one cluster of this content. */
function dumpOf(configs: readonly object[]): EnvoyDump {
  const bootstrap = {
    '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump',
    bootstrap: { node: { id: 'e' } },
  };
  const read = readEnvoyDump({ configs: [bootstrap, ...configs] });
  assert.ok(!('error' in read));
  return read;
}

const admin = (name: string, rest: object) => ({ '@type': `type.googleapis.com/envoy.admin.v3.${name}`, ...rest });
const anyOf = (typeUrl: string, body: Buffer): Buffer => message(text(1, typeUrl), bytes(2, body));

/** A resource as Envoy was given it. */
function given(typeUrl: string, name: string, body: Buffer): ExpectedResource {
  return { name, version: '1', content: decodeEnvoyResource(typeUrl, anyOf(typeUrl, body)) };
}

describe('differences to an Envoy', () => {
  const cluster = given(clusterType, 'a', encodeCluster('a'));
  /** As Envoy 1.40 writes that cluster. */
  const content = {
    '@type': clusterType,
    name: 'a',
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' }, service_name: '' },
    connect_timeout: '1s',
  };
  const { service_name: _, ...eds } = content.eds_cluster_config;
  const running = { ...content, eds_cluster_config: eds };
  const clusters = (...all: readonly object[]) =>
    dumpOf([admin('ClustersConfigDump', { dynamic_active_clusters: all })]);

  test('equal content is none, whatever the spelling of a duration', () => {
    for (const timeout of ['1s', '1.000s']) {
      const dump = clusters({ version_info: '9', cluster: { ...running, connect_timeout: timeout } });
      assert.deepEqual(envoyDifferences(type, [cluster], dump), []);
    }
  });

  test('other content, what is missing, what is left and what was refused are named', () => {
    const other = clusters(
      { cluster: { ...running, connect_timeout: '2s' } },
      { cluster: { ...running, name: 'left' } },
    );
    assert.deepEqual(said(envoyDifferences(type, [cluster, { ...cluster, name: 'gone' }], other)), [
      'Envoy e: a has another content: connect_timeout differs',
      'Envoy e: gone does not have it',
      'Envoy e: left has it, and was not given it by this agent',
    ]);
    const listener = { '@type': listenerType, name: 'l' };
    const dynamic = { name: 'l', active_state: { version_info: '1', listener }, error_state: { details: 'bad port' } };
    const dump = dumpOf([admin('ListenersConfigDump', { dynamic_listeners: [dynamic] })]);
    const about = { typeUrl: listenerType, shortName: 'LDS' };
    const expected = [{ name: 'l', version: '1', content: undefined }];
    assert.deepEqual(said(envoyDifferences(about, expected, dump)), ['Envoy e: l refused a newer one: bad port']);
  });

  test('a listener or cluster that is still warming is told', () => {
    const dump = dumpOf([admin('ClustersConfigDump', { dynamic_warming_clusters: [{ cluster: running }] })]);
    assert.deepEqual(said(envoyDifferences(type, [cluster], dump)), ['Envoy e: a has it, and is still warming it']);
  });

  test('without contents versions are compared', () => {
    const bare = { name: 'a', version: '1', content: undefined };
    const dump = clusters({ version_info: '9', cluster: running });
    assert.deepEqual(said(envoyDifferences(type, [bare], dump)), ['Envoy e: a has version 9, was given 1']);
    assert.deepEqual(envoyDifferences(type, [{ ...bare, version: undefined }], dump), []);
  });

  test('of endpoints the addresses count, since Envoy adds defaults of its own', () => {
    const about = { typeUrl: endpointType, shortName: 'EDS' };
    const ours = given(endpointType, 'a', encodeEndpoints('a', [{ host: '10.0.0.1', port: 80 }]));
    const dump = (port: number) => {
      const socket_address = { address: '10.0.0.1', port_value: port };
      const lb_endpoints = [{ endpoint: { address: { socket_address } }, health_status: 'HEALTHY' }];
      const endpoint_config = { '@type': endpointType, cluster_name: 'a', endpoints: [{ lb_endpoints }], policy: {} };
      return dumpOf([admin('EndpointsConfigDump', { dynamic_endpoint_configs: [{ endpoint_config }] })]);
    };
    assert.deepEqual(envoyDifferences(about, [ours], dump(80)), []);
    assert.deepEqual(said(envoyDifferences(about, [ours], dump(81))), [
      'Envoy e: a has the endpoints 10.0.0.1:81, was given 10.0.0.1:80',
    ]);
  });

  test('of secrets nothing but the name is looked at', () => {
    const secret = {
      name: 'k',
      version_info: '',
      secret: { tls_certificate: { private_key: { inline_string: 'KEY' } } },
    };
    const dump = dumpOf([admin('SecretsConfigDump', { dynamic_active_secrets: [secret] })]);
    assert.doesNotMatch(JSON.stringify([...(dump.resources.get(secretType) ?? [])]), /KEY/);
    const about = { typeUrl: secretType, shortName: 'SDS' };
    assert.deepEqual(envoyDifferences(about, [{ name: 'k', version: undefined, content: undefined }], dump), []);
  });

  test('what is no dump is refused in words', () => {
    for (const wrong of [undefined, {}, { configs: 1 }, { configs: [] }, [], 'x'])
      assert.match(String(Object(readEnvoyDump(wrong)).error), /Envoy’s admin/);
  });
});
