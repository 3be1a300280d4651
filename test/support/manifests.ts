import { istioKinds, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { readMeshResource } from '../../src/istio/mesh-resource.ts';
import { formatProblem, type Manifest, type ManifestLimits, readManifest } from '../../src/source/manifest.ts';
import type { SourceEvent } from '../../src/source/source-events.ts';

/** Limits that no test comes near unless it wants to. */
export const manifestLimits: ManifestLimits = {
  defaultNamespace: 'default',
  fileBytesMax: 4 * 1024 * 1024,
  objectsMax: 20_000,
};

/** Reads a file whose text is given. */
export function manifest(text: string, limits: Partial<ManifestLimits> = {}, file = 'a.yaml'): Manifest {
  return readManifest(file, Buffer.from(text), { ...manifestLimits, ...limits });
}

/** What is wrong in a file, as people read it. */
export function problemsIn(read: Manifest): string[] {
  return read.problems.map(formatProblem);
}

/** A VirtualService, on ten lines. @param name `namespace/name`, or a name without a namespace */
export function virtualService(name: string, host = 'cart'): string {
  const [bare = '', namespace] = name.split('/').toReversed();
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ${bare}
  ${namespace === undefined ? '# none' : `namespace: ${namespace}`}
spec:
  hosts: [${host}]
  http:
  - route:
    - destination: { host: ${host} }
`;
}

/** A DestinationRule. */
export function destinationRule(name: string, host = 'cart'): string {
  const [bare = '', namespace = 'default'] = name.split('/').toReversed();
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${bare}, namespace: ${namespace} }
spec: { host: ${host} }
`;
}

/** A VirtualService with a mistake on its fifth line. */
export const misspelt = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: misspelt }
spec:
  htp: []
`;

/** A file that cannot be taken apart. */
export const unparsable = 'spec: [1, 2\n';

/** Documents in one file. */
export const documents = (...texts: readonly string[]): string => texts.join('---\n');

/** What whoever was told everything holds, as `Kind namespace/name` and the decoded spec; `undefined` for a kind that was never told. */
export class Receiver {
  readonly events: SourceEvent[] = [];
  readonly #held = new Map<string, Map<string, Buffer>>();
  /** Trouble that has not ended, by kind; `''` for what concerns no single one. */
  readonly troubles = new Map<string, string>();
  #meshConfig: Buffer | 'none' | undefined;

  take(events: readonly SourceEvent[]): void {
    for (const event of events) {
      this.events.push(event);
      this.#takeOne(event);
    }
  }

  #takeOne(event: SourceEvent): void {
    switch (event.kind) {
      case 'whole':
        if (this.#held.has(event.of.kind)) throw new Error(`${event.of.kind} is told as a whole twice`);
        this.#held.set(event.of.kind, new Map(event.resources.map(({ name, any }) => [name, any])));
        return;
      case 'changed': {
        const held = this.#held.get(event.of.kind);
        if (!held) throw new Error(`${event.of.kind} changes before it is told`);
        for (const { name, any } of event.resources) held.set(name, any);
        for (const name of event.removed)
          if (!held.delete(name)) throw new Error(`${name} is removed and was not there`);
        return;
      }
      case 'mesh_config':
        this.#meshConfig = event.any ?? 'none';
        return;
      case 'trouble':
        this.troubles.set(event.of?.kind ?? '', event.text);
        return;
      case 'recovered':
        if (!this.troubles.delete(event.of?.kind ?? '')) throw new Error('what ends was never told');
    }
  }

  /** Kinds that were told, with the configuration of the mesh as `MeshConfig`. */
  get told(): string[] {
    return [...this.#held.keys(), ...(this.#meshConfig === undefined ? [] : ['MeshConfig'])];
  }

  /** Names of a kind, sorted. */
  names(kind: string): string[] | undefined {
    const held = this.#held.get(kind);
    return held && [...held.keys()].toSorted();
  }

  /** The spec of a resource; undefined when it is not there. */
  spec(kind: string, name: string): unknown {
    const any = this.#held.get(kind)?.get(name);
    const typeUrl = istioKinds.find(one => one.kind === kind)?.typeUrl ?? '';
    return any && specOf(typeUrl, any);
  }

  /** The first host of a VirtualService. */
  host(name: string): string | undefined {
    return (this.spec('VirtualService', name) as { hosts?: string[] } | undefined)?.hosts?.[0];
  }

  /** Undefined before it is told. */
  get meshConfig(): unknown {
    if (this.#meshConfig === undefined || this.#meshConfig === 'none') return this.#meshConfig;
    return specOf(meshConfigTypeUrl, this.#meshConfig);
  }

  /** What has come since the last time this was asked, one line each; `whole` of a kind without any is left out. */
  news(): string[] {
    return this.events.splice(0).flatMap(event => lineOf(event) ?? []);
  }
}

function lineOf(event: SourceEvent): string | undefined {
  switch (event.kind) {
    case 'whole':
      return event.resources.length === 0 ? undefined : `whole ${event.of.kind}: ${namesOf(event.resources)}`;
    case 'changed':
      return `changed ${event.of.kind}: ${[namesOf(event.resources), ...event.removed.map(name => `-${name}`)].join(' ').trim()}`;
    case 'mesh_config':
      return event.any === undefined ? undefined : 'mesh config';
    case 'trouble':
    case 'recovered':
      return event.of ? `${event.kind} ${event.of.kind}` : event.kind;
  }
}

function specOf(typeUrl: string, any: Buffer): unknown {
  const read = readMeshResource(typeUrl, any);
  if ('error' in read) throw new Error(read.error);
  return read.spec;
}

function namesOf(resources: readonly { readonly name: string }[]): string {
  return resources.map(({ name }) => name).join(' ');
}
