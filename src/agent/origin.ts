/** Stands for a server where content came from more than one: nobody is at this address, so it is nobody's to resume from. */
export const severalServers = '(several servers)';

/**
 * Which server the content of a feed came from. Versions mean something to that one only, so no other is told of them (R109): equal versions of
 * two servers may stand for different contents.
 */
export class Origin {
  #server = '';
  /** Names held whose content is another server's. */
  readonly #strangers = new Set<string>();

  /** As configured; empty while that is not known. */
  get server(): string {
    return this.#server;
  }

  /** What is kept of it outside the process. */
  get stored(): string {
    return this.#strangers.size > 0 ? severalServers : this.#server;
  }

  /** All that is held was restored, and came from this server. */
  restored(server: string): void {
    this.#server = server;
    this.#strangers.clear();
  }

  /**
   * A server has spoken of these names.
   *
   * @param isWhole there is nothing but what it has sent
   * @param held names held, of which it had not spoken before if it is another server
   */
  spoke(server: string, names: Iterable<string>, isWhole: boolean, held: () => Iterable<string>): void {
    if (isWhole) this.#strangers.clear();
    else if (this.#server !== server) for (const name of held()) this.#strangers.add(name);
    this.#server = server;
    if (this.#strangers.size > 0) for (const name of names) this.#strangers.delete(name);
  }

  /** Whether the content of a name came from this server. */
  isOf(server: string, name: string): boolean {
    return this.#server === server && !this.#strangers.has(name);
  }

  /** Whether all content did. @param isHeld whether there is content of a name still */
  isAllOf(server: string, isHeld: (name: string) => boolean): boolean {
    for (const name of this.#strangers) if (!isHeld(name)) this.#strangers.delete(name);
    return this.#server === server && this.#strangers.size === 0;
  }
}
