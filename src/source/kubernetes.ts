import { setTimeout as delay } from 'node:timers/promises';
import { KubernetesApi } from './kubernetes-api.ts';
import { type Collection, CollectionReader, type Step } from './kubernetes-collection.ts';
import { configMapCollection, isNamespace, kindCollections, kindTable, meshConfigTable } from './kubernetes-kinds.ts';
import type { KubernetesSettings } from './kubernetes-settings.ts';
import type { SourceEvent, SourceReader } from './source-events.ts';
import { Troubles } from './troubles.ts';

/** Lists asked for at once, each of which has a page in memory. */
const listsMax = 3;
/** Bytes of a page of a list, or of the largest object where that is more; smaller pages are asked for where one is larger. */
const pageBytesMax = 16 * 1024 * 1024;
/** What stands around an object in a line of a watch or in a page. */
const envelopeBytesMax = 64 * 1024;

/**
 * Reads Istio's configuration from the Kubernetes API: each kind in each namespace is listed and then watched, with get, list and watch on
 * its plural in that namespace and nothing more. What cannot be read stays as it was read last, is told as trouble, and is tried again for
 * as long as it takes; a kind of which a namespace was never listed is never told.
 *
 * @param tell called in order, also before this resolves; never after `close` has resolved
 * @throws Error when the settings or the kubeconfig cannot be used; an API server that is away is trouble, no error
 */
export async function readKubernetes(
  settings: KubernetesSettings,
  tell: (event: SourceEvent) => void,
): Promise<SourceReader> {
  const namespaces = namespacesOf(settings);
  const readers = readersOf(settings, namespaces, tell);
  const api = await KubernetesApi.open(settings);
  const closing = new AbortController();
  const shell = new Shell(api, settings, closing.signal);
  // bounded: one for each kind in each namespace of the settings.
  const ended = Promise.all(readers.map(reader => shell.run(reader)));
  return {
    close: async () => {
      closing.abort();
      await ended;
    },
  };
}

function namespacesOf({ namespaces }: KubernetesSettings): string[] {
  if (namespaces === 'all') return [''];
  const wrong = namespaces.find(name => !isNamespace(name));
  if (wrong !== undefined) throw new Error(`${JSON.stringify(wrong)} cannot be the name of a namespace`);
  if (namespaces.length === 0) throw new Error('no namespace to read is named; name some, or all');
  return [...new Set(namespaces)];
}

function readersOf(
  settings: KubernetesSettings,
  namespaces: readonly string[],
  tell: (event: SourceEvent) => void,
): CollectionReader[] {
  const { kinds, meshConfigMap, objectsMax } = settings;
  const general = new Troubles(undefined, tell);
  const readers: CollectionReader[] = [];
  const add = (
    collection: Collection,
    table: ConstructorParameters<typeof CollectionReader>[1],
    troubles: Troubles,
  ): void => {
    readers.push(new CollectionReader(collection, table, troubles, general, settings, Math.random));
  };
  for (const kind of new Set(kinds)) {
    const troubles = new Troubles(kind, tell);
    const table = kindTable(kind, namespaces, objectsMax, troubles, tell);
    for (const collection of kindCollections(kind, namespaces)) add(collection, table, troubles);
  }
  if (meshConfigMap !== undefined) {
    const collection = configMapCollection(meshConfigMap);
    if (!collection) throw new Error(`${JSON.stringify(meshConfigMap)} is not namespace/name of a ConfigMap`);
    add(collection, meshConfigTable(collection, general, tell), general);
  }
  return readers;
}

/** Carries out what readers decide. */
class Shell {
  readonly #api: KubernetesApi;
  readonly #pageBytesMax: number;
  readonly #lineBytesMax: number;
  readonly #signal: AbortSignal;
  readonly #turns = new Turns(listsMax);

  constructor(api: KubernetesApi, { objectBytesMax }: KubernetesSettings, signal: AbortSignal) {
    this.#api = api;
    this.#lineBytesMax = objectBytesMax + envelopeBytesMax;
    this.#pageBytesMax = Math.max(pageBytesMax, this.#lineBytesMax);
    this.#signal = signal;
  }

  async run(reader: CollectionReader): Promise<void> {
    while (!this.#signal.aborted) {
      const step = reader.next(performance.now());
      if (step.kind === 'wait') await this.#wait(step.ms);
      else if (step.kind === 'list') await this.#turns.do(() => this.#list(reader, step.path));
      else await this.#watch(reader, step);
    }
  }

  async #list(reader: CollectionReader, path: string): Promise<void> {
    const answer = await this.#api.get(path, this.#pageBytesMax, this.#signal);
    if (this.#signal.aborted) return;
    const nowMs = performance.now();
    if (answer === 'too large') reader.listTooLarge(nowMs, this.#pageBytesMax);
    else if ('kind' in answer) reader.failed(nowMs, answer);
    else reader.listAnswered(nowMs, answer);
  }

  async #watch(reader: CollectionReader, { path, ms }: Extract<Step, { kind: 'watch' }>): Promise<void> {
    let isOpen = false;
    const listener = {
      opened: (answer: Parameters<CollectionReader['watchAnswered']>[1]) => {
        if (!this.#signal.aborted) isOpen = reader.watchAnswered(performance.now(), answer);
      },
      lines: (lines: Parameters<CollectionReader['watchLines']>[1]) =>
        !this.#signal.aborted && reader.watchLines(performance.now(), lines),
    };
    const failure = await this.#api.watch(path, { ms, lineBytesMax: this.#lineBytesMax }, listener, this.#signal);
    if (this.#signal.aborted) return;
    if (failure) reader.failed(performance.now(), failure);
    else if (isOpen) reader.watchEnded(performance.now());
  }

  async #wait(ms: number): Promise<void> {
    try {
      await delay(ms, undefined, { signal: this.#signal });
    } catch (error) {
      // Closing ends the wait.
      if (!this.#signal.aborted) throw error;
    }
  }
}

/** Lets so many go at once, the others in their order. */
class Turns {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(max: number) {
    this.#free = max;
  }

  async do(work: () => Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>(resolve => this.#queue.push(resolve));
    try {
      await work();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
