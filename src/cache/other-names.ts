import { globOf } from '../xds/resource-name.ts';

/** A resource by all its names. */
interface Named {
  readonly name: string;
  readonly aliases: readonly string[];
}

// Nearly no resource has other names, so none of the loops over them is begun for nothing: an iterator for each of 10,000 is felt.
const none: ReadonlySet<string> = new Set();

/** The names besides its own by which a resource may be asked for: its aliases (R18), and the collection that it is a member of (R33). */
export class OtherNames {
  readonly #byAlias = new Map<string, string>();
  readonly #members = new Map<string, Set<string>>();

  added({ name, aliases }: Named): void {
    if (aliases.length > 0) for (const alias of aliases) this.#byAlias.set(alias, name);
    const glob = globOf(name);
    if (glob === undefined) return;
    const members = this.#members.get(glob);
    if (members) members.add(name);
    else this.#members.set(glob, new Set([name]));
  }

  removed({ name, aliases }: Named): void {
    if (aliases.length > 0) {
      for (const alias of aliases) if (this.#byAlias.get(alias) === name) this.#byAlias.delete(alias);
    }
    const glob = globOf(name);
    const members = glob === undefined ? undefined : this.#members.get(glob);
    if (glob === undefined || !members?.delete(name)) return;
    if (members.size === 0) this.#members.delete(glob);
  }

  /** The name of the resource that has this alias. */
  behind(alias: string): string | undefined {
    return this.#byAlias.get(alias);
  }

  /** Names of the held members of a collection, by its glob. */
  membersOf(glob: string): ReadonlySet<string> {
    return this.#members.get(glob) ?? none;
  }
}
