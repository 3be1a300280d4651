import assert from 'node:assert/strict';
import { payloadsAt } from '../../src/demo/proto.ts';
import { kindOfTypeUrl } from '../../src/istio/kinds.ts';
import { meshConfigOf, meshResourceOf } from '../../src/istio/mesh-resource.ts';
import type { TestResource } from './messages.ts';

/** A resource of Istio's configuration as a control plane sends it. @param name `namespace/name` */
export function meshResource(typeUrl: string, name: string, spec: unknown, version = '1'): TestResource {
  const kind = kindOfTypeUrl(typeUrl);
  assert.ok(kind, typeUrl);
  const [namespace, bare] = name.split('/');
  const metadata = { name: bare, namespace, labels: { app: 'shop' } };
  const made = meshResourceOf(kind, { metadata, spec }, { defaultNamespace: 'default', version });
  assert.ok(!('problems' in made), JSON.stringify(made));
  return { ...ofAny(made.any), name, version: '' };
}

/** The configuration of the mesh as a control plane sends it. */
export function meshConfigResource(value: unknown): TestResource {
  const any = meshConfigOf(value);
  assert.ok(!('problems' in any), JSON.stringify(any));
  return { ...ofAny(any), name: '', version: '' };
}

function ofAny(any: Buffer): { readonly anyType: string; readonly body: Buffer } {
  return { anyType: String(payloadsAt(any, 1)[0]), body: payloadsAt(any, 2)[0] ?? Buffer.alloc(0) };
}
