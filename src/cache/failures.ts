import type { ResourceFailure } from '../xds/discovery.ts';
import type { RpcStatus } from '../xds/types.ts';

interface Failure {
  readonly status: RpcStatus;
  readonly revision: number;
}

/** What upstream says of names instead of resources (R24): remembered until a resource of the name comes, or nobody wants it any more. */
export class Failures {
  readonly #byName = new Map<string, Failure>();

  /** Of how many names. */
  get count(): number {
    return this.#byName.size;
  }

  /** @param revision store revision under which clients hear of it; equal words again are no news */
  set({ name, status }: ResourceFailure, revision: number): boolean {
    const held = this.#byName.get(name)?.status;
    if (held?.code === status.code && held.message === status.message) return false;
    this.#byName.set(name, { status, revision });
    return true;
  }

  get(name: string): Failure | undefined {
    return this.#byName.size === 0 ? undefined : this.#byName.get(name);
  }

  delete(name: string): void {
    if (this.#byName.size > 0) this.#byName.delete(name);
  }

  /** Names whose failure is newer than a revision. */
  *since(revision: number): Generator<string> {
    for (const [name, failure] of this.#byName) if (failure.revision > revision) yield name;
  }
}
