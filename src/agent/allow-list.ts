import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { IdPattern, NamePattern } from './name-pattern.ts';

/** Who may come to a listener as which node (R123, R124). */
export interface AllowRule {
  /**
   * Name that the client's certificate or token has to prove, such as `spiffe://cluster.local/ns/shop/sa/cart`; undefined lets anybody who
   * reaches the listener.
   */
  readonly name: NamePattern | undefined;
  /** Node ids that it may use then; `$1` … stand for what the stars of `name` stood for. */
  readonly ids: readonly IdPattern[];
}

/**
 * A rule as it is written.
 *
 * @returns the rule, or what is wrong with it
 */
export function parseRule(name: string | undefined, ids: readonly string[]): AllowRule | { readonly error: string } {
  const pattern = name === undefined ? undefined : NamePattern.parse(name);
  if (pattern && 'error' in pattern) return pattern;
  const stars = pattern?.stars ?? 0;
  const patterns = ids.map(id => new IdPattern(id));
  const at = patterns.findIndex(({ captures }) => captures > stars);
  // Filled in as nothing it would let in more than was meant.
  if (at >= 0) return { error: `id ${ids[at]} speaks of star ${patterns[at]?.captures}, and its name has ${stars}` };
  return { name: pattern, ids: patterns };
}

/** A listener and its rules; without any, every node id may be used. */
export interface ListenerRules {
  readonly listener: string;
  readonly rules: readonly AllowRule[];
}

/** Where a client comes from. */
interface Origin {
  readonly listener: string;
  readonly names: readonly string[];
}

/** Binds what a client has proven, or the address it came to, to the node ids that it may use. */
export class AllowList {
  readonly #rules = new Map<string, readonly AllowRule[]>();

  constructor(listeners: Iterable<ListenerRules>) {
    for (const { listener, rules } of listeners) if (rules.length > 0) this.#rules.set(listener, rules);
  }

  /** Whether clients of every one of these listeners are held to node ids. */
  bindsAll(listeners: Iterable<string>): boolean {
    for (const listener of listeners) if (!this.#rules.has(listener)) return false;
    return true;
  }

  /** Why a client may not use this node id, as the status to refuse it with; undefined when it may. */
  refusal({ listener, names }: Origin, nodeId: string): RpcStatus | undefined {
    const rules = this.#rules.get(listener);
    if (!rules) return undefined;
    for (const { name, ids } of rules) {
      const proofs = name ? names.map(one => name.captures(one)).filter(found => found !== undefined) : [[]];
      if (proofs.some(found => ids.some(id => id.matches(found, nodeId)))) return undefined;
    }
    const proven = names.length > 0 ? `'${names.slice(0, 4).join("', '")}'` : 'nothing';
    const message = `node.id '${nodeId.slice(0, 100)}' may not be used on ${listener} by a client that has proven ${proven} (setting listeners)`;
    return { code: grpcCode.permissionDenied, message };
  }
}
