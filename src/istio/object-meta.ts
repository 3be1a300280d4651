import type { SpecProblem } from '../proto/json-reader.ts';
import { isObject, shown } from '../proto/json-scalars.ts';
import { parseTimestamp } from '../proto/json-times.ts';
import { nearest } from '../xds/nearest.ts';

/** What MCP carries of the metadata of a Kubernetes object. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly creationTimestamp: string | undefined;
  readonly resourceVersion: string | undefined;
}

/** What kubectl notes for itself: the whole object once more, which nobody in the mesh reads. */
const annotationOfKubectl = 'kubectl.kubernetes.io/last-applied-configuration';

/** All members of `ObjectMeta` of Kubernetes 1.35, and two that it once had. */
const knownMembers: ReadonlySet<string> = new Set([
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
  'clusterName',
]);

// The forms and limits of Kubernetes (k8s.io/apimachinery pkg/util/validation).
const dnsLabel = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const labelText = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const subdomainMax = 253;
const labelMax = 63;
/** Keys and values together, in bytes. */
const annotationBytesMax = 256 * 1024;

const isSubdomain = (text: string): boolean =>
  text.length <= subdomainMax && text.split('.').every(part => dnsLabel.test(part));

/**
 * Reads and checks `metadata`.
 *
 * @param defaultNamespace of objects that name none
 * @returns all problems at once; their paths begin with `metadata`
 */
export function readObjectMeta(
  metadata: unknown,
  defaultNamespace: string,
): ObjectMeta | { readonly problems: readonly SpecProblem[] } {
  if (!isObject(metadata)) {
    const text = metadata === undefined ? 'is missing' : `must be an object, not ${shown(metadata)}`;
    return { problems: [{ path: ['metadata'], text }] };
  }
  const reader = new MetaReader(metadata);
  const meta: ObjectMeta = {
    name: reader.name(),
    namespace: reader.namespace(defaultNamespace),
    labels: reader.labels(),
    annotations: reader.annotations(),
    creationTimestamp: reader.creationTimestamp(),
    resourceVersion: reader.resourceVersion(),
  };
  reader.lookForSlips();
  return reader.problems.length > 0 ? { problems: reader.problems } : meta;
}

class MetaReader {
  readonly problems: SpecProblem[] = [];
  readonly #metadata: Readonly<Record<string, unknown>>;

  constructor(metadata: Readonly<Record<string, unknown>>) {
    this.#metadata = metadata;
  }

  #tell(path: readonly string[], text: string): void {
    this.problems.push({ path: ['metadata', ...path], text });
  }

  name(): string {
    const name = this.#metadata['name'];
    if (typeof name === 'string' && isSubdomain(name)) return name;
    const isNamedLater = name === undefined && this.#metadata['generateName'] !== undefined;
    if (isNamedLater) this.#tell(['name'], 'is missing; generateName is for the Kubernetes API, give it a name');
    else if (name === undefined || name === null) this.#tell(['name'], 'is missing');
    else
      this.#tell(['name'], `must be lower-case letters, digits, - and ., at most ${subdomainMax}, not ${shown(name)}`);
    return '';
  }

  namespace(otherwise: string): string {
    // An empty one is none, as for kubectl.
    const namespace = this.#metadata['namespace'] || otherwise;
    if (typeof namespace === 'string' && namespace.length <= labelMax && dnsLabel.test(namespace)) return namespace;
    this.#tell(['namespace'], `must be lower-case letters, digits and -, at most ${labelMax}, not ${shown(namespace)}`);
    return '';
  }

  creationTimestamp(): string | undefined {
    const time = this.#metadata['creationTimestamp'];
    if (time === undefined || time === null) return undefined;
    if (typeof time === 'string' && parseTimestamp(time)) return time;
    this.#tell(['creationTimestamp'], `must be a time such as '2026-01-31T08:00:00Z', not ${shown(time)}`);
    return undefined;
  }

  resourceVersion(): string | undefined {
    const version = this.#metadata['resourceVersion'];
    if (version === undefined || version === null || version === '') return undefined;
    if (typeof version === 'string' && version.length <= subdomainMax && version.isWellFormed()) return version;
    this.#tell(['resourceVersion'], `must be text, not ${shown(version)}`);
    return undefined;
  }

  labels(): Record<string, string> {
    const labels = this.#texts('labels');
    for (const [key, value] of Object.entries(labels)) {
      if (value !== '' && (value.length > labelMax || !labelText.test(value))) {
        const form = 'letters, digits, -, _ and ., with a letter or digit at both ends';
        this.#tell(['labels', key], `must be at most ${labelMax} ${form}, not ${shown(value)}`);
      }
    }
    return labels;
  }

  annotations(): Record<string, string> {
    const { [annotationOfKubectl]: _, ...annotations } = this.#texts('annotations');
    let bytes = 0;
    for (const [key, value] of Object.entries(annotations)) {
      bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
      if (!value.isWellFormed())
        this.#tell(['annotations', key], 'must be text in Unicode; half of a character stands alone');
    }
    if (bytes > annotationBytesMax)
      this.#tell(['annotations'], `have ${bytes} bytes, ${annotationBytesMax} are allowed`);
    return annotations;
  }

  /** Labels or annotations, whose keys have the same form. */
  #texts(member: 'labels' | 'annotations'): Record<string, string> {
    const given = this.#metadata[member];
    if (given === undefined || given === null) return {};
    if (!isObject(given)) {
      this.#tell([member], `must be an object, not ${shown(given)}`);
      return {};
    }
    const texts: [string, string][] = [];
    for (const [key, value] of Object.entries(given)) {
      if (!isKey(key))
        this.#tell([member, key], 'has a key that is none: [prefix.example/]name of at most 63 characters');
      else if (typeof value === 'string') texts.push([key, value]);
      else this.#tell([member, key], `must be text, not ${shown(value)}${value === null ? '' : '; put it in quotes'}`);
    }
    return Object.fromEntries(texts);
  }

  /** A member of a later Kubernetes is none of our business; one that is spelled wrongly would be left out without a word. */
  lookForSlips(): void {
    for (const member of Object.keys(this.#metadata)) {
      const near = knownMembers.has(member) ? undefined : nearest(member, knownMembers);
      if (near !== undefined) this.#tell([member], `is no member of metadata; did you mean ${near}?`);
    }
  }
}

function isKey(key: string): boolean {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  if (name.length > labelMax || !labelText.test(name)) return false;
  // Kubernetes compares prefixes of annotations in lower case.
  return slash === -1 || isSubdomain(key.slice(0, slash).toLowerCase());
}
