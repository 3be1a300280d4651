import { grpcCode, type RpcStatus } from '../xds/types.ts';

/** Who may come to a listener as which node (R123, R124). */
export interface AllowRule {
  /**
   * Name that the client's certificate or token has to prove, such as `spiffe://cluster.local/ns/shop/sa/cart`; undefined lets anybody who
   * reaches the listener. `*` stands for anything but nothing and slashes.
   */
  readonly name: string | undefined;
  /** Node ids that it may use then: `*` stands for anything, `$1` … for what the stars of `name` stood for. */
  readonly ids: readonly string[];
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

/** Longest name or id that is compared with a pattern, in characters: a longer one matches nothing. */
const lengthMax = 1024;

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
      const proofs =
        name === undefined ? [[]] : names.map(one => captures(name, one)).filter(found => found !== undefined);
      if (proofs.some(found => ids.some(id => matches(id, found, nodeId)))) return undefined;
    }
    const proven = names.length > 0 ? `'${names.slice(0, 4).join("', '")}'` : 'nothing';
    const message = `node.id '${nodeId.slice(0, 100)}' may not be used on ${listener} by a client that has proven ${proven} (setting listeners)`;
    return { code: grpcCode.permissionDenied, message };
  }
}

/** What the stars of a pattern stand for in a name; undefined when it does not match. */
function captures(pattern: string, name: string): readonly string[] | undefined {
  if (name.length > lengthMax) return undefined;
  const source = pattern
    .split('*')
    .map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('([^/]+)');
  return new RegExp(`^${source}$`, 's').exec(name)?.slice(1);
}

/** Whether an id fits a pattern. In one pass, whatever an unknown client calls itself: a regular expression could be made to take for ever. */
function matches(pattern: string, found: readonly string[], id: string): boolean {
  if (id.length > lengthMax) return false;
  // What is filled in stands for itself, stars included.
  const parts = pattern
    .split('*')
    .map(part => part.replace(/\$([1-9])/g, (_, digit: string) => found[Number(digit) - 1] ?? ''));
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return id === first;
  if (!id.startsWith(first) || !id.endsWith(last) || id.length < first.length + last.length) return false;
  const end = id.length - last.length;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const next = id.indexOf(part, at);
    if (next < 0 || next + part.length > end) return false;
    at = next + part.length;
  }
  return true;
}
