import { digestOf } from '../xds/digest.ts';

/** Where the bytes of bodies live that come as slices of a larger buffer. */
export interface Bodies {
  /** Whether a slice may stay one, with the buffer that it is of as the home of all its bodies. */
  readonly keepsSlices: boolean;
  /** A buffer with these bytes that keeps nothing else alive; never to be changed. */
  home(bytes: Buffer): Buffer;
}

/** Every view has its own bodies: right where there is one view, or hardly more. */
export const ownBodies: Bodies = { keepsSlices: true, home: bytes => Buffer.from(bytes) };

/**
 * One copy of each body for all views, by its content: two hundred pods that are sent the same cluster cost its bytes once. What no view
 * holds any more goes with the next garbage collection, so nobody has to count who holds what.
 */
export class BodyPool implements Bodies {
  readonly keepsSlices = false;
  readonly #bodies = new Map<string, WeakRef<Buffer>>();
  readonly #gone = new FinalizationRegistry<string>(digest => {
    // Another one with this content may have taken its place meanwhile.
    if (!this.#bodies.get(digest)?.deref()) this.#bodies.delete(digest);
  });

  home(bytes: Buffer): Buffer {
    const digest = digestOf(bytes);
    const held = this.#bodies.get(digest)?.deref();
    if (held) return held;
    const body = Buffer.from(bytes);
    this.#bodies.set(digest, new WeakRef(body));
    this.#gone.register(body, digest);
    return body;
  }

  /** Bodies that are alive and their bytes; counted when asked. */
  census(): { readonly bodies: number; readonly bytes: number } {
    let bodies = 0;
    let bytes = 0;
    for (const ref of this.#bodies.values()) {
      const body = ref.deref();
      if (!body) continue;
      bodies++;
      bytes += body.length;
    }
    return { bodies, bytes };
  }
}
