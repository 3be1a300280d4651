import type { WireResource } from '../xds/discovery.ts';

/** What is wanted upstream of one type: the live union of all clients' interests. The session only reads it. */
export interface Interest {
  readonly isWildcard: boolean;
  /** Count of explicit names. */
  readonly size: number;
  has(name: string): boolean;
  names(): Iterable<string>;
}

/** What is already held of one type, to resume from (R107). */
export interface HeldState {
  /** Names and upstream versions of everything held within the subscription, `''` versions included. */
  versions(): Iterable<readonly [string, string]>;
  /** Whether a resource of this name is held. */
  has(name: string): boolean;
  /** Whether the wildcard set is complete, so that listing it lets upstream send differences only. */
  readonly isComplete: boolean;
  /** Somebody may hold more than that, and would lose it if silence were mistaken for a word. */
  readonly isContested: boolean;
  /**
   * Why there is no room for these resources, if so.
   *
   * @param isWhole they replace all that is held
   */
  refusal(resources: readonly WireResource[], isWhole: boolean): string | undefined;
}

/** Nothing is held: everything has to be sent. */
export const nothingHeld: HeldState = {
  has: () => false,
  versions: () => [],
  isComplete: false,
  isContested: true,
  refusal: () => undefined,
};
