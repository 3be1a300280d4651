import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** Plain data from YAML. */
export type Data = Readonly<Record<string, unknown>>;

/** The folder of the deployment beside istiod. */
export const istioFolder = fileURLToPath(new URL('../../deploy/istio', import.meta.url));

/** What is at a path of keys and indexes; undefined where nothing is. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const key of path) {
    here = typeof here === 'object' && here !== null ? (here as Record<string | number, unknown>)[key] : undefined;
  }
  return here;
}

/** The objects of the list at a path; none where there is no list. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly Data[] {
  const list = at(value, ...path);
  return Array.isArray(list) ? list : [];
}

/** The text at a path; empty where there is none. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const text = at(value, ...path);
  return typeof text === 'string' ? text : '';
}

/** The keys and values of the object at a path. */
export function entriesAt(value: unknown, ...path: readonly (string | number)[]): readonly [string, unknown][] {
  return Object.entries(at(value, ...path) ?? {});
}

/** The documents of a text. @throws Error that names the file, when one of them is no YAML */
export function parseDocuments(text: string, name: string): Data[] {
  return parseAllDocuments(text).flatMap(document => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw new Error(`${name}: ${problem.message}`);
    const content: unknown = document.toJS();
    return content === null ? [] : [content as Data];
  });
}

/** The documents of a file of the deployment. */
export function readDocuments(path: string): Data[] {
  return parseDocuments(readFileSync(join(istioFolder, path), 'utf8'), path);
}

/** Paths of all files of the deployment, from its folder. */
export function deploymentFiles(): string[] {
  return readdirSync(istioFolder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(istioFolder.length + 1));
}

/**
 * What `kustomize build` makes of a folder, as far as ours go: resources, components, strategic merges into a pod, JSON patches that append, and
 * ConfigMaps, whose names get no digest here. `npm run check-deploy` holds ours to the real one.
 *
 * @throws Error for anything else in a kustomization, so that nothing is passed over
 */
export function compose(folder: string): Data[] {
  return build(folder, []);
}

function build(folder: string, below: Data[]): Data[] {
  const [kustomization = {}] = readDocuments(join(folder, 'kustomization.yaml'));
  const known = ['apiVersion', 'kind', 'resources', 'components', 'images', 'configMapGenerator', 'patches'];
  const stranger = Object.keys(kustomization).find(key => !known.includes(key));
  if (stranger !== undefined) throw new Error(`${folder}: ${stranger} is not composed here`);
  let objects = [...below];
  for (const path of texts(kustomization, 'resources')) {
    objects.push(...(path.endsWith('.yaml') ? readDocuments(join(folder, path)) : build(join(folder, path), [])));
  }
  for (const path of texts(kustomization, 'components')) objects = build(join(folder, path), objects);
  for (const generator of listAt(kustomization, 'configMapGenerator')) objects.push(configMap(folder, generator));
  for (const patch of listAt(kustomization, 'patches')) {
    const [kind, name] = [textAt(patch, 'target', 'kind'), textAt(patch, 'target', 'name')];
    const index = objects.findIndex(object => object['kind'] === kind && nameOf(object) === name);
    const target = objects[index];
    if (!target) throw new Error(`${folder}: a patch is for ${kind} ${name}, which is not there`);
    objects[index] = patch['path'] === undefined ? append(target, patch) : merge(folder, target, patch);
  }
  return objects;
}

function texts(value: unknown, key: string): readonly string[] {
  return (at(value, key) ?? []) as readonly string[];
}

function configMap(folder: string, generator: Data): Data {
  const data = texts(generator, 'files').map(entry => {
    const [key = '', path = key] = entry.split('=');
    return [basename(key), readFileSync(join(istioFolder, folder, path), 'utf8')];
  });
  const { name, namespace } = generator;
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: Object.fromEntries(data) };
}

function append(target: Data, patch: Data): Data {
  const changed = structuredClone(target);
  for (const operation of parseDocuments(textAt(patch, 'patch'), 'a patch').flat()) {
    const path = textAt(operation, 'path').split('/').slice(1);
    const list = at(changed, ...path.slice(0, -1));
    if (at(operation, 'op') !== 'add' || path.at(-1) !== '-' || !Array.isArray(list)) {
      throw new Error(`the patch ${JSON.stringify(operation)} is not composed here`);
    }
    list.push(at(operation, 'value'));
  }
  return changed;
}

/** Adds what a strategic merge brings to a pod, in front as kustomize does; ours change nothing that is there. */
function merge(folder: string, target: Data, patch: Data): Data {
  const [change = {}] = readDocuments(join(folder, textAt(patch, 'path')));
  const changed = structuredClone(target);
  const pod = at(changed, 'spec', 'template', 'spec') as Record<string, unknown>;
  for (const [key, value] of entriesAt(change, 'spec', 'template', 'spec')) {
    if (!Array.isArray(value)) throw new Error(`${folder}: ${key} in a patch is not composed here`);
    pod[key] = [...value, ...listAt(pod, key)];
  }
  return changed;
}

/** `metadata.name` of an object. */
export function nameOf(object: unknown): string {
  return textAt(object, 'metadata', 'name');
}

/** The one object of a kind and name. @throws Error when there is none */
export function find(objects: readonly Data[], kind: string, name: string): Data {
  const found = objects.find(object => object['kind'] === kind && nameOf(object) === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

/** All containers of the pods of a Deployment or DaemonSet, those that run beside the others first. */
export function containersOf(deployment: unknown): readonly Data[] {
  const pod = at(deployment, 'spec', 'template', 'spec');
  return [...listAt(pod, 'initContainers'), ...listAt(pod, 'containers')];
}

/**
 * References that lead nowhere: accounts, ConfigMaps with their keys, Secrets, volumes, ports by name, selectors and roles.
 *
 * @param given objects that are there without being among these, as `Kind name`
 */
export function danglingReferences(objects: readonly Data[], given: readonly string[]): string[] {
  const there = new Set([...objects.map(object => `${object['kind']} ${nameOf(object)}`), ...given]);
  const problems: string[] = [];
  const need = (by: string, kind: string, name: string): void => {
    if (!there.has(`${kind} ${name}`)) problems.push(`${by} names ${kind} ${name}`);
  };
  const deployments = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet');
  for (const deployment of deployments) {
    const by = `${deployment['kind']} ${nameOf(deployment)}`;
    const pod = at(deployment, 'spec', 'template', 'spec');
    // Without one it is `default`, which every namespace has.
    if (at(pod, 'serviceAccountName') !== undefined) need(by, 'ServiceAccount', textAt(pod, 'serviceAccountName'));
    const volumes = new Map(listAt(pod, 'volumes').map(volume => [textAt(volume, 'name'), volume]));
    const mounted = new Set<string>();
    for (const volume of volumes.values()) {
      const [map, secret] = [at(volume, 'configMap', 'name'), at(volume, 'secret', 'secretName')];
      if (map !== undefined) need(by, 'ConfigMap', String(map));
      if (secret !== undefined && at(volume, 'secret', 'optional') !== true) need(by, 'Secret', String(secret));
    }
    for (const container of containersOf(deployment)) {
      const ports = listAt(container, 'ports').map(port => at(port, 'name'));
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        const port = at(container, probe, 'httpGet', 'port');
        if (typeof port === 'string' && !ports.includes(port))
          problems.push(`${by}: ${probe} names port ${String(port)}`);
      }
      for (const mount of listAt(container, 'volumeMounts')) {
        const name = textAt(mount, 'name');
        mounted.add(name);
        const map = at(volumes.get(name), 'configMap', 'name');
        const [key, data] = [at(mount, 'subPath'), objects.find(object => nameOf(object) === map)];
        if (!volumes.has(name)) problems.push(`${by} mounts ${name}, which is no volume`);
        if (key !== undefined && data && at(data, 'data', String(key)) === undefined) {
          problems.push(`${by} mounts ${String(key)}, which is no key of ConfigMap ${String(map)}`);
        }
      }
    }
    for (const name of volumes.keys()) if (!mounted.has(name)) problems.push(`${by}: nobody mounts ${name}`);
    if (!isWithin(at(deployment, 'spec', 'selector', 'matchLabels'), labelsOf(deployment))) {
      problems.push(`${by} does not select its own pods`);
    }
  }
  for (const object of objects) {
    const by = `${object['kind']} ${nameOf(object)}`;
    const chosen = (selector: unknown): readonly Data[] => deployments.filter(one => isWithin(selector, labelsOf(one)));
    if (object['kind'] === 'Service') {
      const pods = chosen(at(object, 'spec', 'selector'));
      if (pods.length !== 1) problems.push(`${by} selects the pods of ${pods.length} Deployments`);
      const ports = pods.flatMap(containersOf).flatMap(container => listAt(container, 'ports'));
      for (const { port, targetPort = port } of listAt(object, 'spec', 'ports')) {
        const isThere = ports.some(({ name, containerPort }) => targetPort === name || targetPort === containerPort);
        if (!isThere) problems.push(`${by} leads to port ${String(targetPort)}, which no container has`);
      }
    }
    if (object['kind'] === 'PodDisruptionBudget' || object['kind'] === 'NetworkPolicy') {
      const selector =
        at(object, 'spec', 'selector', 'matchLabels') ?? at(object, 'spec', 'podSelector', 'matchLabels');
      if (chosen(selector).length !== 1) problems.push(`${by} is for the pods of no Deployment`);
    }
    if (at(object, 'roleRef') !== undefined) {
      need(by, textAt(object, 'roleRef', 'kind'), textAt(object, 'roleRef', 'name'));
      for (const subject of listAt(object, 'subjects')) need(by, textAt(subject, 'kind'), textAt(subject, 'name'));
    }
  }
  return problems;
}

function labelsOf(deployment: unknown): unknown {
  return at(deployment, 'spec', 'template', 'metadata', 'labels');
}

function isWithin(selector: unknown, labels: unknown): boolean {
  const wanted = entriesAt(selector);
  return wanted.length > 0 && wanted.every(([key, value]) => at(labels, key) === value);
}

/** Pods that workloads would make, which is what Pod Security looks at. */
export function podsOf(objects: readonly Data[]): Data[] {
  return objects
    .filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet')
    .map(one => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `check-${nameOf(one)}`,
        namespace: at(one, 'metadata', 'namespace'),
        labels: at(one, 'spec', 'template', 'metadata', 'labels'),
      },
      spec: at(one, 'spec', 'template', 'spec'),
    }));
}
