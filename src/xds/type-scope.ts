/** What a type scope is made of. */
export interface TypeScopeParts {
  /** Namespaces that it lets see. */
  readonly namespaces: Iterable<string>;
  /** Patterns of further namespaces with one star, which stands for any text. */
  readonly patterns?: Iterable<string>;
  readonly rootNamespace: string;
  /** The type has no names, as the configuration of the mesh: it is the root namespace's. */
  readonly isNameless?: boolean;
}

/**
 * Which resources of one type somebody may see, by the namespace in their names (`namespace/name`, as Istio's mesh configuration has them). It is
 * decided by the name alone, so that it holds for what is not there as well as for what is. What has no such name is seen by open scopes only.
 */
export class TypeScope {
  /** Everything may be seen. */
  static readonly open = new TypeScope({ namespaces: [], patterns: ['*'], rootNamespace: '' });
  /** Nothing may be seen: the type is answered as empty. */
  static readonly closed = new TypeScope({ namespaces: [], rootNamespace: '' });
  /** Nothing may be seen, and nothing is said: an empty answer would take from an Envoy what it has. */
  static readonly silent = new TypeScope({ namespaces: [], rootNamespace: '' });

  /** Canonical text: equal for equal scopes, empty for the open one. It is kept with what was stored under the scope. */
  readonly key: string;
  readonly isOpen: boolean;
  readonly isClosed: boolean;
  readonly #namespaces: ReadonlySet<string>;
  readonly #patterns: readonly (readonly [start: string, end: string])[];
  readonly #rootNamespace: string;
  readonly #isNameless: boolean;

  constructor({ namespaces, patterns = [], rootNamespace, isNameless = false }: TypeScopeParts) {
    const names = new Set(namespaces);
    const globs = new Set(patterns);
    this.isOpen = globs.has('*');
    this.isClosed = names.size + globs.size === 0;
    this.#namespaces = names;
    this.#patterns = [...globs].map(endsOf);
    this.#rootNamespace = rootNamespace;
    this.#isNameless = isNameless;
    this.key = this.isOpen
      ? ''
      : JSON.stringify({ in: [...names].sort(), like: [...globs].sort(), root: rootNamespace });
  }

  /** Whether a resource of this name may be seen. */
  sees(name: string): boolean {
    if (this.isOpen) return true;
    const namespace = this.namespaceOf(name);
    if (namespace === undefined) return false;
    return this.#namespaces.has(namespace) || this.#patterns.some(ends => fits(ends, namespace));
  }

  /** The namespace that a resource belongs to; undefined when its name says none. */
  namespaceOf(name: string): string | undefined {
    if (this.#isNameless) return this.#rootNamespace;
    const slash = name.indexOf('/');
    return slash <= 0 || name.startsWith('xdstp:') ? undefined : name.slice(0, slash);
  }

  /**
   * Whether all that this scope lets see was let through by an earlier one: only then is a set that was whole under that one whole under this.
   *
   * @param key of the earlier scope
   */
  isWithin(key: string): boolean {
    if (key === '' || key === this.key || this.isClosed) return true;
    if (this.#patterns.length > 0) return false;
    const earlier = partsOf(key);
    if (earlier?.root !== this.#rootNamespace) return false;
    const names = new Set(earlier.in);
    return [...this.#namespaces].every(
      namespace => names.has(namespace) || earlier.like.some(glob => fits(endsOf(glob), namespace)),
    );
  }
}

function endsOf(glob: string): readonly [start: string, end: string] {
  const [start = '', end = ''] = glob.split('*');
  return [start, end];
}

function fits([start, end]: readonly [string, string], text: string): boolean {
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}

function partsOf(key: string): { readonly in: string[]; readonly like: string[]; readonly root: string } | undefined {
  try {
    const value: unknown = JSON.parse(key);
    if (typeof value !== 'object' || value === null || !('in' in value && 'like' in value && 'root' in value)) return;
    const { in: names, like, root } = value;
    const areTexts = (list: unknown): list is string[] =>
      Array.isArray(list) && list.every(one => typeof one === 'string');
    if (areTexts(names) && areTexts(like) && typeof root === 'string') return { in: names, like, root };
  } catch {
    // Written by another version: nothing is concluded from it.
  }
  return undefined;
}
