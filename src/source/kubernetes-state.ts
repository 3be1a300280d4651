import { invariant } from '../xds/assert.ts';
import { foreignText, metadataText, readVersion } from './kubernetes-answers.ts';
import type { Trouble, Troubles } from './troubles.ts';

/** What is known of one object. */
export interface KnownObject<Content> {
  /** `metadata.resourceVersion` that was read last, of a refused object as well. */
  readonly version: string;
  /** What is served of it: where it is refused now, what it was when it was good. Undefined when it never was. */
  readonly content: Content | undefined;
  /** Why the version that was read last is not served. */
  readonly problem: string | undefined;
}

/** One step from what was served to what is now. */
export interface TableChange<Content> {
  /** New or different. */
  readonly contents: readonly Content[];
  /** Names of what was served and is gone. */
  readonly removed: readonly string[];
  /** Names of what was never good enough to be served and is gone. */
  readonly forgotten: readonly string[];
}

/** How a {@link ObjectTable} is set up. */
export interface TableSettings<Content> {
  /** Namespaces that have to be listed before anything is told; '' for a list over all of them. */
  readonly namespaces: readonly string[];
  /** Objects over all namespaces. */
  readonly objectsMax: number;
  /** How texts call an object: `VirtualService shop/cart`. */
  readonly title: (name: string) => string;
  /** Where refused objects are told. */
  readonly troubles: Troubles;
  /**
   * Makes of an object what is served.
   *
   * @param known what is served of it so far; returned again where only things changed that are not served (its status, for one)
   */
  readonly convert: (
    object: unknown,
    version: string,
    known: Content | undefined,
  ) => Content | { readonly problem: string };
  /** Told with the complete state. @param leftOut how many objects are not in it because they never were good */
  readonly whole: (contents: readonly Content[], leftOut: number) => void;
  readonly changed: (change: TableChange<Content>) => void;
}

/** An object with its name `namespace/name`. */
interface NamedObject<Content> {
  readonly name: string;
  readonly object: KnownObject<Content>;
}

/** An object that was read anew, with what was known of it. */
interface Step<Content> extends NamedObject<Content> {
  readonly before: KnownObject<Content> | undefined;
}

type Gone<Content> = NamedObject<Content>;

/**
 * The objects of one kind over all namespaces that are read.
 *
 * Nothing is told before every namespace was listed once: istiod deletes what an answer lacks. An object that is refused keeps its last good
 * content. One that never was good is left out and withholds nothing: one bad object must not keep a whole kind from the mesh, and what istiod
 * never had from us is not deleted by leaving it out.
 */
export class ObjectTable<Content> {
  readonly #settings: TableSettings<Content>;
  readonly #byNamespace = new Map<string, Map<string, KnownObject<Content>>>();

  constructor(settings: TableSettings<Content>) {
    this.#settings = settings;
  }

  /** How many objects a list of this namespace may have. */
  room(namespace: string): number {
    let others = 0;
    for (const [name, objects] of this.#byNamespace) if (name !== namespace) others += objects.size;
    return this.#settings.objectsMax - others;
  }

  /** Name of an object, `namespace/name`, or why it cannot be one of this namespace, so that what told of it is not to be trusted. */
  nameOf(namespace: string, object: unknown): string | { readonly problem: string } {
    const [name, of] = [metadataText(object, 'name'), metadataText(object, 'namespace')];
    if (name === undefined || of === undefined || readVersion(object) === undefined)
      return { problem: 'an object has no metadata.name, metadata.namespace or metadata.resourceVersion' };
    if (namespace !== '' && of !== namespace) return { problem: `an object is of namespace ${foreignText(of)}` };
    return `${of}/${name}`;
  }

  /**
   * Reads one object that {@link nameOf} has a name for; the table stays as it is.
   *
   * @param excess why its content is not even looked at, such as its size
   */
  read(namespace: string, object: unknown, excess?: string): KnownObject<Content> {
    const name = this.nameOf(namespace, object);
    const version = readVersion(object);
    invariant(typeof name === 'string' && version !== undefined, 'only objects with a name are read');
    const known = this.#byNamespace.get(namespace)?.get(name);
    if (known?.version === version) return known;
    if (excess !== undefined) return { version, content: known?.content, problem: excess };
    const content = this.#settings.convert(object, version, known?.content);
    return isProblem(content)
      ? { version, content: known?.content, problem: content.problem }
      : { version, content, problem: undefined };
  }

  /**
   * A namespace was listed.
   *
   * @param objects by name; the table keeps the map
   * @param isWhole whether the complete state is told, not only the differences; it has to be with the first list of a namespace
   */
  listed(namespace: string, objects: Map<string, KnownObject<Content>>, isWhole: boolean): void {
    const before = this.#byNamespace.get(namespace);
    this.#byNamespace.set(namespace, objects);
    const touched = [...objects].map(([name, object]) => ({ name, object, before: before?.get(name) }));
    const gone = [...(before ?? [])].filter(([name]) => !objects.has(name)).map(([name, object]) => ({ name, object }));
    this.#tellTroubles(touched, gone);
    if (!this.#isComplete()) return;
    if (isWhole) this.#tellWhole();
    else this.#tellChange(touched, gone);
  }

  /**
   * Objects of a namespace changed, after it was listed.
   *
   * @param changes by name, undefined for what was deleted
   * @returns false, and nothing was changed, when there would be more objects than allowed
   */
  changed(namespace: string, changes: ReadonlyMap<string, KnownObject<Content> | undefined>): boolean {
    const objects = this.#byNamespace.get(namespace) ?? new Map<string, KnownObject<Content>>();
    let size = objects.size;
    for (const [name, object] of changes) size += Number(object !== undefined) - Number(objects.has(name));
    if (size > objects.size && size > this.room(namespace)) return false;
    this.#byNamespace.set(namespace, objects);
    const touched: Step<Content>[] = [];
    const gone: Gone<Content>[] = [];
    for (const [name, object] of changes) {
      const known = objects.get(name);
      if (object !== undefined) {
        objects.set(name, object);
        touched.push({ name, object, before: known });
      } else if (known !== undefined) {
        objects.delete(name);
        gone.push({ name, object: known });
      }
    }
    this.#tellTroubles(touched, gone);
    if (this.#isComplete()) this.#tellChange(touched, gone);
    return true;
  }

  #isComplete(): boolean {
    return this.#settings.namespaces.every(namespace => this.#byNamespace.has(namespace));
  }

  #tellWhole(): void {
    const contents: Content[] = [];
    let leftOut = 0;
    for (const objects of this.#byNamespace.values()) {
      for (const { content } of objects.values()) {
        if (content === undefined) leftOut++;
        else contents.push(content);
      }
    }
    this.#settings.whole(contents, leftOut);
  }

  #tellChange(touched: readonly Step<Content>[], gone: readonly Gone<Content>[]): void {
    const contents: Content[] = [];
    for (const { object, before } of touched) {
      if (object.content !== undefined && object.content !== before?.content) contents.push(object.content);
    }
    const removed = gone.filter(({ object }) => object.content !== undefined).map(({ name }) => name);
    const forgotten = gone.filter(({ object }) => object.content === undefined).map(({ name }) => name);
    if (contents.length + removed.length + forgotten.length > 0)
      this.#settings.changed({ contents, removed, forgotten });
  }

  #tellTroubles(touched: readonly Step<Content>[], gone: readonly Gone<Content>[]): void {
    const begun: Trouble[] = [];
    const ended = gone.map(({ name }) => causeOf(name));
    for (const { name, object } of touched) {
      const { content, problem } = object;
      if (problem === undefined) ended.push(causeOf(name));
      else {
        const state = content === undefined ? 'it is left out until it is mended' : 'it is served as it was before';
        const text = `${this.#settings.title(name)} is refused: ${problem}; ${state}`;
        begun.push({ cause: causeOf(name), mark: problem, text });
      }
    }
    this.#settings.troubles.update(begun, ended);
  }
}

function isProblem(content: unknown): content is { readonly problem: string } {
  return typeof content === 'object' && content !== null && 'problem' in content;
}

function causeOf(name: string): string {
  return `object ${name}`;
}
