import type { IstioKind } from '../istio/kinds.ts';
import { type MeshResource, meshConfigOf, meshResourceOf } from '../istio/mesh-resource.ts';
import type { SpecProblem } from '../proto/json-reader.ts';
import { field } from './kubernetes-answers.ts';
import type { Collection } from './kubernetes-collection.ts';
import { ObjectTable } from './kubernetes-state.ts';
import { readText } from './manifest-text.ts';
import type { SourceEvent } from './source-events.ts';
import type { Troubles } from './troubles.ts';

/** Where events go. */
type Tell = (event: SourceEvent) => void;

/** What a namespace's name may be (RFC 1123 label), so that it can stand in a path. */
const namespacePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** What a ConfigMap's name may be (RFC 1123 subdomain). */
const configMapPattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Characters and values of the MeshConfig with its aliases written out; a ConfigMap holds no more than 1 MiB. */
const expandedMeshConfigMax = 1024 * 1024;

/** Whether this can be the name of a namespace. */
export function isNamespace(name: string): boolean {
  return namespacePattern.test(name);
}

/** The collections of a kind, one for each namespace; '' for all of them. */
export function kindCollections(kind: IstioKind, namespaces: readonly string[]): Collection[] {
  const { group, plural, versions } = kind;
  return namespaces.map(namespace => ({
    title: namespace === '' ? `${kind.kind} of all namespaces` : `${kind.kind} of namespace ${namespace}`,
    namespace,
    paths: versions.map(
      version => `/apis/${group}/${version}/${namespace === '' ? '' : `namespaces/${namespace}/`}${plural}`,
    ),
    fieldSelector: '',
    rule: `get, list and watch on ${plural}.${group}${where(namespace)}`,
    whenUnknown: `install Istio's CRDs (${plural}.${group} in ${versions.join(' or ')}), or do not read this kind`,
  }));
}

/** The objects of a kind, told as they change. */
export function kindTable(
  kind: IstioKind,
  namespaces: readonly string[],
  objectsMax: number,
  troubles: Troubles,
  tell: Tell,
): ObjectTable<MeshResource> {
  return new ObjectTable<MeshResource>({
    namespaces,
    objectsMax,
    troubles,
    title: name => `${kind.kind} ${name}`,
    convert: (object, version, known) => {
      const resource = meshResourceOf(kind, object, { defaultNamespace: 'default', version });
      if ('problems' in resource) return { problem: problemText(resource.problems) };
      // A new status has a new version of the object and is no news for the mesh, where each new version costs a push to every proxy.
      const asBefore = known && meshResourceOf(kind, object, { defaultNamespace: 'default', version: known.version });
      return asBefore && !('problems' in asBefore) && asBefore.any.equals(known.any) ? known : resource;
    },
    whole: resources => tell({ kind: 'whole', of: kind, resources }),
    changed: ({ contents, removed }) => {
      if (contents.length + removed.length > 0) tell({ kind: 'changed', of: kind, resources: contents, removed });
    },
  });
}

/** The collection that one ConfigMap is. @returns undefined when this is not `namespace/name` */
export function configMapCollection(namespacedName: string): Collection | undefined {
  const [namespace = '', name = '', ...more] = namespacedName.split('/');
  if (!isNamespace(namespace) || !configMapPattern.test(name) || more.length > 0) return undefined;
  return {
    title: `the MeshConfig in ConfigMap ${namespacedName}`,
    namespace,
    paths: [`/api/v1/namespaces/${namespace}/configmaps`],
    fieldSelector: `metadata.name=${name}`,
    rule: `get, list and watch on configmaps with resourceNames [${name}]${where(namespace)}`,
    whenUnknown: 'this is no Kubernetes API server',
  };
}

/** The one ConfigMap whose key `mesh` is the MeshConfig, as YAML. */
export function meshConfigTable(collection: Collection, troubles: Troubles, tell: Tell): ObjectTable<Buffer> {
  return new ObjectTable<Buffer>({
    namespaces: [collection.namespace],
    objectsMax: 1,
    troubles,
    title: name => `the MeshConfig in ConfigMap ${name}`,
    convert: (object, _version, known) => {
      const text = field(field(object, 'data'), 'mesh');
      if (typeof text !== 'string') return { problem: 'it has no key mesh (data.mesh)' };
      const any = readMeshConfig(text);
      if ('problems' in any) return { problem: problemText(any.problems) };
      return known?.equals(any) ? known : any;
    },
    // One that was never good is unknown, not absent: absent would be answered.
    whole: ([any], leftOut) => {
      if (leftOut === 0) tell({ kind: 'mesh_config', any });
    },
    changed: ({ contents: [any] }) => tell({ kind: 'mesh_config', any }),
  });
}

function readMeshConfig(text: string): Buffer | { readonly problems: readonly SpecProblem[] } {
  const { documents, problems } = readText(text, { documentsMax: 1, expandedMax: expandedMeshConfigMax });
  const path = ['data', 'mesh'];
  const wrong = problems.map(({ line, text }) => ({
    path,
    text: line === undefined ? text : `${text} (line ${line})`,
  }));
  if (wrong.length > 0) return { problems: wrong };
  const any = meshConfigOf(documents[0]?.value);
  if (Buffer.isBuffer(any)) return any;
  return { problems: any.problems.map(problem => ({ path: [...path, ...problem.path], text: problem.text })) };
}

function where(namespace: string): string {
  return namespace === '' ? ' in the whole cluster (ClusterRole)' : ` in namespace ${namespace}`;
}

/** The first problem with its path, and how many there are besides. */
function problemText([first, ...more]: readonly SpecProblem[]): string {
  if (first === undefined) return 'it is not as its kind has to be';
  const path = first.path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`))
    .join('');
  const text = path === '' ? first.text : `${path}: ${first.text}`;
  return more.length === 0 ? text : `${text} (and ${more.length} more)`;
}
