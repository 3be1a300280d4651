import { type Data, objectOf, objectsIn, textIn } from './data.ts';

/** A pod, or what a workload makes pods of, in an object. */
export interface PodTemplate {
  /** Where it is in the object. Empty for a pod. */
  readonly path: readonly (string | number)[];
  /** `Deployment shop/web`, for people. */
  readonly owner: string;
  readonly kind: string;
  readonly template: Data;
  /** Annotations of the workload itself; empty for a pod. Those of the template beat them. */
  readonly ownAnnotations: Data;
}

/** Deeper Lists than this are no manifests. */
const depthMax = 8;

/**
 * The pod templates in an object: a Pod, anything with `spec.template.spec.containers` (Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, and kinds
 * of others such as Argo's Rollout), a CronJob, and all of these in a List.
 */
export function podTemplatesIn(object: Data, path: readonly (string | number)[] = []): readonly PodTemplate[] {
  const kind = textIn(object, 'kind') ?? '';
  if (kind.endsWith('List') || Array.isArray(object['items'])) {
    if (path.length / 2 >= depthMax || !Array.isArray(object['items'])) return [];
    return object['items'].flatMap((item: unknown, index) => {
      const inner = objectOf(item);
      return inner ? podTemplatesIn(inner, [...path, 'items', index]) : [];
    });
  }
  const places =
    kind === 'Pod'
      ? [[]]
      : [['spec', 'template'], ...(kind === 'CronJob' ? [['spec', 'jobTemplate', 'spec', 'template']] : [])];
  for (const place of places) {
    const template = objectOf(place.reduce<unknown>((at, key) => objectOf(at)?.[key], object));
    if (!template || objectsIn(objectOf(template['spec'])?.['containers']).length === 0) continue;
    const metadata = objectOf(object['metadata']);
    const ownAnnotations = place.length === 0 ? {} : (objectOf(metadata?.['annotations']) ?? {});
    return [{ path: [...path, ...place], owner: describe(kind, metadata), kind, template, ownAnnotations }];
  }
  return [];
}

function describe(kind: string, metadata: Data | undefined): string {
  const name = textIn(metadata, 'name') ?? textIn(metadata, 'generateName') ?? '(without name)';
  const namespace = textIn(metadata, 'namespace');
  return `${kind || 'object'} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** The object with another value at a path, which exists. */
export function withValueAt(object: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(object)) return object.with(Number(key), withValueAt(object[Number(key)], rest, value));
  const data = objectOf(object) ?? {};
  return { ...data, [key]: withValueAt(data[key], rest, value) };
}
