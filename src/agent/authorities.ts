import { authorityOf } from '../xds/resource-name.ts';
import type { AuthorityGroup } from '../xds/type-urls.ts';

/**
 * Which control plane is asked for which names (R34, gRFC A47): the authority of an `xdstp://` name decides, and whatever has none that is listed is
 * the main one's.
 */
export class Authorities {
  readonly #groups = new Map<string, AuthorityGroup>();
  readonly #addresses = new Map<AuthorityGroup, readonly string[]>();

  /** @param byAuthority addresses to try in turn; authorities with the same ones share a stream */
  constructor(byAuthority: ReadonlyMap<string, readonly string[]>) {
    for (const [authority, addresses] of byAuthority) {
      const group: AuthorityGroup = `authorities at ${addresses.join(',')}`;
      this.#groups.set(authority, group);
      this.#addresses.set(group, addresses);
    }
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** The stream group of a name; undefined for the main control plane's. */
  groupOf(name: string): AuthorityGroup | undefined {
    if (this.isEmpty) return undefined;
    const authority = authorityOf(name);
    return authority === undefined ? undefined : this.#groups.get(authority);
  }

  groups(): IterableIterator<AuthorityGroup> {
    return this.#addresses.keys();
  }

  /** Addresses of a group, to be tried in turn. */
  addressesOf(group: AuthorityGroup): readonly string[] {
    return this.#addresses.get(group) ?? [];
  }
}
