import { meshConfigTypeUrl } from '../istio/kinds.ts';
import type { Peer } from '../local-ads/peer.ts';
import { invariant } from '../xds/assert.ts';
import { type NodeIdentity, readNode } from '../xds/node.ts';
import { TypeScope } from '../xds/type-scope.ts';
import { groupOf, traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import { IdPattern, type NamePattern } from './name-pattern.ts';

/** One grant: whom it is for, and what it opens. Where a condition is undefined everybody meets it. */
export interface ScopeRule {
  /** Local addresses as configured. */
  readonly listeners: ReadonlySet<string> | undefined;
  /** Patterns of the client's own namespace. */
  readonly clientNamespaces: readonly IdPattern[] | undefined;
  /** Patterns of names that the client has proven. */
  readonly clientNames: readonly NamePattern[] | undefined;
  /** Types that it opens: type URLs with stars, kinds or short names; undefined for all of Istio's mesh configuration. */
  readonly types: readonly string[] | undefined;
  /** Namespaces: names, patterns with one star, {@link ownNamespace} and {@link rootNamespace}. */
  readonly namespaces: readonly string[];
}

/** The client's own namespace, in the namespaces of a rule. */
export const ownNamespace = '$own';
/** The namespace whose configuration is everybody's, in the namespaces of a rule. */
export const rootNamespace = '$root';

/** What decides about scopes. */
export interface ScopeSettings {
  /** Undefined for what holds by itself: see {@link Scopes}. */
  readonly rules: readonly ScopeRule[] | undefined;
  /** Name of Istio's root namespace. */
  readonly rootNamespace: string;
}

/** What decides what a view may keep. */
export interface ViewScopeSettings {
  readonly scopes: Scopes;
  readonly nodeSharing: 'refuse' | 'shared' | 'stream-per-node';
}

/**
 * What may be kept of each type in a view.
 *
 * @param node encoded Node of the view: all its clients are that node, unless several share it
 */
export function viewScopes({ scopes, nodeSharing }: ViewScopeSettings, node: Buffer): (typeUrl: TypeUrl) => TypeScope {
  const identity = readNode(node);
  invariant(!('error' in identity), 'the node of a view was read when its client was let in');
  return typeUrl => scopes.ofView(nodeSharing === 'shared' ? undefined : identity, typeUrl);
}

/** Most scopes remembered: clients are of few kinds. */
const rememberedMax = 4_096;

/** The namespace of a client. Disputed: what it has proven and what it says are two, or what it says can be read in two ways. */
type Own = { readonly is: string } | 'unsaid' | 'disputed';

/**
 * Who may see which of Istio's mesh configuration, by type and namespace. It is asked twice: for a view, what may be kept of what upstream sends,
 * and for a client, what of that it is given. A client's scope is always within its view's.
 *
 * Once there are rules, what none of them grants is denied. Without rules a proxy sees its own namespace and the root namespace, a client of the
 * root namespace (the control plane itself) sees everything, and so does one that does not say what its namespace is.
 *
 * Types that are none of Istio's mesh configuration have no namespaces. They are open, unless a rule names them: then to whom such a rule grants them.
 */
export class Scopes {
  readonly #settings: ScopeSettings;
  readonly #remembered = new Map<string, TypeScope>();

  constructor(settings: ScopeSettings) {
    this.#settings = settings;
  }

  /** What a client may see of a type. */
  ofClient({ listener, names }: Pick<Peer, 'listener' | 'names'>, identity: NodeIdentity, typeUrl: TypeUrl): TypeScope {
    const own = ownOfClient(names, identity);
    const { rules } = this.#settings;
    if (!rules) return this.#byDefault(typeUrl, own);
    const about = JSON.stringify([listener, names, own, typeUrl]);
    return this.#remember(about, () => this.#byRules(rules, { listener, names }, own, typeUrl));
  }

  #byRules(
    rules: readonly ScopeRule[],
    { listener, names }: Pick<Peer, 'listener' | 'names'>,
    own: Own,
    typeUrl: TypeUrl,
  ): TypeScope {
    const met = rules.filter(
      rule =>
        (rule.listeners?.has(listener) ?? true) &&
        (rule.clientNames?.some(pattern => names.some(name => pattern.captures(name) !== undefined)) ?? true) &&
        isNamespaceMet(rule, own),
    );
    return this.#granted(met, typeUrl, own);
  }

  /**
   * What may be kept of a type in a view.
   *
   * @param identity the node that all its clients are; undefined where they may be several
   */
  ofView(identity: NodeIdentity | undefined, typeUrl: TypeUrl): TypeScope {
    const { rules } = this.#settings;
    if (!identity) return rules ? this.#granted(rules, typeUrl, 'anybody') : TypeScope.open;
    const own = ownOfNode(identity);
    if (!rules) return this.#byDefault(typeUrl, own);
    const met = rules.filter(rule => isNamespaceMet(rule, own));
    return this.#granted(met, typeUrl, own);
  }

  #byDefault(typeUrl: TypeUrl, own: Own): TypeScope {
    const { rootNamespace: root } = this.#settings;
    if (own === 'unsaid' || groupOf(typeUrl) !== 'mcp') return TypeScope.open;
    if (own === 'disputed') return this.#scope([root], typeUrl);
    return own.is === root ? TypeScope.open : this.#scope([own.is, root], typeUrl);
  }

  /** The union of what rules grant. @param own whose namespace `$own` stands for */
  #granted(met: readonly ScopeRule[], typeUrl: TypeUrl, own: Own | 'anybody'): TypeScope {
    if (
      groupOf(typeUrl) !== 'mcp' &&
      !this.#settings.rules?.some(({ types }) => types?.some(one => isNamed(one, typeUrl)))
    ) {
      return TypeScope.open;
    }
    const granted: string[] = [];
    for (const { types, namespaces, clientNamespaces } of met) {
      if (types ? !types.some(one => isNamed(one, typeUrl)) : groupOf(typeUrl) !== 'mcp') continue;
      for (const namespace of namespaces) {
        if (namespace === rootNamespace) granted.push(this.#settings.rootNamespace);
        else if (namespace !== ownNamespace) granted.push(namespace);
        else if (own === 'anybody') granted.push(...(clientNamespaces?.map(({ text }) => text) ?? ['*']));
        else if (typeof own !== 'string') granted.push(own.is);
      }
    }
    // What has no namespaces is granted as a whole.
    if (groupOf(typeUrl) !== 'mcp') return granted.length > 0 ? TypeScope.open : TypeScope.silent;
    return this.#scope(granted, typeUrl);
  }

  #scope(granted: readonly string[], typeUrl: TypeUrl): TypeScope {
    const isNameless = typeUrl === meshConfigTypeUrl;
    const about = JSON.stringify([[...new Set(granted)].sort(), isNameless]);
    return this.#remember(about, () => {
      const isPattern = (text: string): boolean => text.includes('*');
      const namespaces = granted.filter(text => !isPattern(text));
      const { rootNamespace: root } = this.#settings;
      return new TypeScope({ namespaces, patterns: granted.filter(isPattern), rootNamespace: root, isNameless });
    });
  }

  #remember(about: string, make: () => TypeScope): TypeScope {
    const known = this.#remembered.get(about);
    if (known) return known;
    const made = make();
    if (this.#remembered.size >= rememberedMax) this.#remembered.clear();
    this.#remembered.set(about, made);
    return made;
  }
}

/**
 * Whether a type is meant: by its URL, in which stars stand for any text, by its kind, or by its short name. Envoy's types have to be named as they
 * are: whoever writes a star speaks of the mesh.
 */
function isNamed(text: string, typeUrl: TypeUrl): boolean {
  if (groupOf(typeUrl) !== 'mcp') return text === typeUrl || text === traitsOf(typeUrl).shortName;
  if (text.includes('/') || text.includes('*')) return new IdPattern(text).matches([], typeUrl);
  return typeUrl.endsWith(`/${text}`);
}

function isNamespaceMet({ clientNamespaces }: ScopeRule, own: Own): boolean {
  if (!clientNamespaces) return true;
  return typeof own !== 'string' && clientNamespaces.some(pattern => pattern.matches([], own.is));
}

/** Where what a client has proven and its node differ, it has no namespace: what is kept for it is kept by its node. */
function ownOfClient(names: readonly string[], identity: NodeIdentity): Own {
  const said = ownOfNode(identity);
  for (const name of names) {
    const [, namespace] = spiffeName.exec(name) ?? tokenName.exec(name) ?? [];
    if (namespace !== undefined && (typeof said === 'string' || said.is !== namespace)) return 'disputed';
  }
  return said;
}

const spiffeName = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/;
const tokenName = /^serviceaccount:([^/]+)\/[^/]+$/;

/**
 * The namespace in an Istio node id, `TYPE~IP~POD.NAMESPACE~DOMAIN`. An id that has parts and no namespace that is beyond doubt is disputed: a pod with
 * a dot in its name could be read as one of another namespace.
 */
function ownOfNode({ id }: NodeIdentity): Own {
  if (!id.includes('~')) return 'unsaid';
  const [, namespace] = /^[^~]*~[^~]*~[^~.]+\.([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)~[^~]*$/.exec(id) ?? [];
  return namespace === undefined ? 'disputed' : { is: namespace };
}
