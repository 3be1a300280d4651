import { SetDigest } from '../xds/digest.ts';

/** A named content. */
interface Member {
  readonly name: string;
  readonly digest: string;
}

/** The content version of a set that changes, kept up to date by what changes (R90); nothing is computed before it is first asked for. */
export class ListVersion {
  #digest: SetDigest | undefined;

  added(member: Member): void {
    // The digest of a member is computed when first read, so it is not read in vain.
    this.#digest?.add(member.name, member.digest);
  }

  removed(member: Member): void {
    this.#digest?.remove(member.name, member.digest);
  }

  /** The version of these members, and of a few more that are not counted in. */
  of(members: Iterable<Member>, more: Iterable<Member>): string {
    if (!this.#digest) {
      this.#digest = new SetDigest();
      for (const { name, digest } of members) this.#digest.add(name, digest);
    }
    let sum = this.#digest;
    for (const { name, digest } of more) {
      if (sum === this.#digest) sum = sum.clone();
      sum.add(name, digest);
    }
    return sum.toString();
  }
}
