import type { HeldState, Interest } from './interest.ts';

/** Tells which names are one control plane's. */
export type Belongs = (name: string) => boolean;

/** The part of an interest that one of several control planes is asked for. @param isForWildcard whether the wildcard is its, too */
export function narrowInterest(interest: Interest, belongs: Belongs, isForWildcard: boolean): Interest {
  function* names(): Generator<string> {
    for (const name of interest.names()) if (belongs(name)) yield name;
  }
  return {
    names,
    has: name => belongs(name) && interest.has(name),
    get isWildcard() {
      return isForWildcard && interest.isWildcard;
    },
    get size() {
      let size = 0;
      for (const _ of names()) size++;
      return size;
    },
  };
}

/** What is held of one control plane's names. */
export function narrowHeld(held: HeldState, belongs: Belongs): HeldState {
  return {
    has: name => belongs(name) && held.has(name),
    *versions() {
      for (const pair of held.versions()) if (belongs(pair[0])) yield pair;
    },
    get isComplete() {
      return held.isComplete;
    },
    get isContested() {
      return held.isContested;
    },
    // It is no whole list of what is held, but a part of it.
    refusal: resources =>
      held.refusal(
        resources.filter(({ name }) => belongs(name)),
        false,
      ),
  };
}
