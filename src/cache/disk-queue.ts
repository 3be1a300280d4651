import type { DiskChange } from './stored.ts';

/** Changes that are written in one transaction. */
export interface Burst {
  readonly changes: readonly DiskChange[];
  /** How many of them are applied. */
  at: number;
  /** Past the limit: what the tables may hold at its end, in bytes. */
  readonly bytesMax: number | undefined;
}

/**
 * Changes on their way to the disk, at most one for each thing that can change: however long the disk is away, the queue grows with what is held
 * and not with what happened. Applying the queue gives what applying all changes in their order would have given.
 */
export class DiskQueue {
  /** In the order in which they have to be applied. */
  readonly #changes = new Map<string, DiskChange>();
  /** Counts the views that took over the rows of others: what was queued before means other rows than what comes after. */
  #takeovers = 0;

  get size(): number {
    return this.#changes.size;
  }

  /** Takes in one change; it takes the place of what it makes pointless. */
  add(change: DiskChange): void {
    if (change.kind === 'view') {
      if (change.replaces !== undefined) this.#takeovers++;
      // In its old place, before the changes that need it; there is none if a takeover came since.
      this.#changes.set(`view\n${this.#takeovers}\n${change.viewKey}\n${change.replaces ?? ''}`, change);
      return;
    }
    const type = `${this.#takeovers}\n${change.viewKey}\n${change.typeUrl}\n`;
    switch (change.kind) {
      case 'type':
        return this.#last(`type\n${type}`, change);
      case 'clear':
        for (const key of [...this.#changes.keys()]) if (key.startsWith(`resource\n${type}`)) this.#changes.delete(key);
        return this.#last(`clear\n${type}`, change);
      case 'put':
        return this.#last(`resource\n${type}${change.resource.name}`, change);
      case 'delete':
        return this.#last(`resource\n${type}${change.name}`, change);
    }
  }

  /** Takes everything out, in order. */
  take(): DiskChange[] {
    const changes = [...this.#changes.values()];
    this.#changes.clear();
    return changes;
  }

  /** Puts back what could not be written, before what came since. */
  putBack(changes: readonly DiskChange[]): void {
    const newer = this.take();
    for (const change of changes) this.add(change);
    for (const change of newer) this.add(change);
  }

  #last(key: string, change: DiskChange): void {
    this.#changes.delete(key);
    this.#changes.set(key, change);
  }
}
