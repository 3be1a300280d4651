import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describe as lineOf } from '../../src/agent/notes.ts';
import { Scopes } from '../../src/agent/scopes.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { body, CoreHarness, namesOf, resources } from '../support/core-harness.ts';

const services = 'networking.istio.io/v1/VirtualService' as TypeUrl;
const root = 'istio-system';
const idIn = (namespace: string): string => `sidecar~10.0.0.1~pod.${namespace}~x`;
const scopes = new Scopes({ rules: undefined, rootNamespace: root });

describe('scopes and odd names', () => {
  test('SotW: a name that comes twice does not become the root namespace’s', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse', variant: 'sotw', scopes });
    const client = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    const twice = { name: 'b/secret', version: '2', body: body(services, 'b/secret', 2) };
    harness.respond(services, { resources: [...resources(services, ['a/x', 'b/secret']), twice] });
    const told = client.take(services);
    assert.ok(!told.some(one => one.resources.some(r => r.body.includes('b/secret'))), 'b/secret came');
    assert.deepEqual(told.map(namesOf), [['a/x']]);
  });
  test('SotW: what has no name does not become the root namespace’s', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse', variant: 'sotw', scopes });
    const client = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    harness.respond(services, {
      resources: [
        ...resources(services, ['a/x']),
        {
          name: '',
          version: '',
          body: Buffer.alloc(0),
          anyType: 'type.googleapis.com/istio.networking.v1alpha3.VirtualService',
        },
      ],
    });
    assert.deepEqual(
      client.take(services).map(one => one.resources.length),
      [1],
    );
  });
  test('Delta: the log of a refused response names nothing of other namespaces', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse', variant: 'delta', scopes });
    const client = harness.client('delta', idIn('a'));
    client.send({ typeUrl: services });
    harness.respond(services, {
      resources: [...resources(services, ['b/secret']), ...resources(services, ['b/secret'])],
    });
    const log = JSON.stringify(harness.notes.map(note => lineOf(note)));
    assert.ok(!log.includes('b/secret'), 'it does');
  });
  test('SotW: a body that is no mcp.Resource (field 1 is a host of b) is not the root namespace’s', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse', variant: 'sotw', scopes });
    const client = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    const raw = {
      name: '',
      version: '',
      body: body(services, 'pay.b.example'),
      anyType: 'type.googleapis.com/istio.networking.v1alpha3.VirtualService',
    };
    harness.respond(services, { resources: [raw] });
    assert.deepEqual(
      client.take(services).map(one => one.resources.length),
      [0],
    );
  });
});
