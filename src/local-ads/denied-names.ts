import type { ResourceFailure } from '../xds/discovery.ts';
import type { TypeScope } from '../xds/type-scope.ts';
import { grpcCode } from '../xds/types.ts';

/** Names that a client has asked for and may not see. It is told so once for each time that it asks. */
export class DeniedNames {
  readonly #scope: TypeScope;
  #owed = new Set<string>();

  constructor(scope: TypeScope) {
    this.#scope = scope;
  }

  get size(): number {
    return this.#owed.size;
  }

  /** Names were asked for in vain. */
  add(names: readonly string[]): void {
    for (const name of names) this.#owed.add(name);
  }

  /** Takes what the client has to be told, for the message that is being made. */
  take(): ResourceFailure[] {
    const failures = [...this.#owed].map(name => ({ name, status: this.#refusal(name) }));
    this.#owed = new Set();
    return failures;
  }

  #refusal(name: string): ResourceFailure['status'] {
    const namespace = this.#scope.namespaceOf(name);
    const what =
      this.#scope.isClosed || namespace === undefined ? 'this name' : `namespace '${namespace.slice(0, 100)}'`;
    return { code: grpcCode.permissionDenied, message: `${what} is not open to this client (setting scopes)` };
  }
}
