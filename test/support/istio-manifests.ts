import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { kindOfObject } from '../../src/istio/kinds.ts';

/** A manifest of the collection in `test/fixtures/istio`. */
export interface Manifest {
  /** Such as `VirtualService shop/catalogue`. */
  readonly title: string;
  readonly message: string;
  /** The whole object; for the configuration of the mesh the same as its spec. */
  readonly object: unknown;
  readonly spec: unknown;
}

function documents(file: string): unknown[] {
  const path = fileURLToPath(new URL(`../fixtures/istio/${file}.yaml`, import.meta.url));
  return parseAllDocuments(readFileSync(path, 'utf8')).map(document => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS();
  });
}

function manifest(object: unknown): Manifest {
  // Each is checked by what is looked up with it.
  const { apiVersion, kind, metadata, spec } = object as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly namespace?: string };
    readonly spec?: unknown;
  };
  const known = kindOfObject(apiVersion, kind);
  if (!known) throw new Error(`no kind of Istio's: ${apiVersion} ${kind}`);
  const title = `${kind} ${metadata.namespace ?? 'default'}/${metadata.name}`;
  return { title, message: known.message, object, spec: spec ?? {} };
}

/** Objects of all kinds, as people write them. */
export const istioManifests: readonly Manifest[] = ['traffic', 'workloads', 'policies']
  .flatMap(documents)
  .map(manifest);

/** Configurations of the mesh. */
export const meshConfigs: readonly Manifest[] = documents('mesh-config').map((spec, index) => ({
  title: `MeshConfig ${index + 1}`,
  message: 'istio.mesh.v1alpha1.MeshConfig',
  object: spec,
  spec,
}));
