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

/** A body that may be gone, and how large it is or was: equal digests have equal sizes. */
class BodyRef extends WeakRef<Buffer> {
  readonly bytes: number;

  constructor(body: Buffer) {
    super(body);
    this.bytes = body.length;
  }
}

/**
 * One copy of each body for all views, by its content: two hundred pods that are sent the same cluster cost its bytes once. What no view
 * holds any more goes with the next garbage collection, so nobody has to count who holds what.
 */
export class BodyPool implements Bodies {
  readonly keepsSlices = false;
  readonly #bodies = new Map<string, BodyRef>();
  #bytes = 0;
  readonly #gone = new FinalizationRegistry<string>(digest => {
    // Another one with this content may have taken its place meanwhile.
    const ref = this.#bodies.get(digest);
    if (!ref || ref.deref()) return;
    this.#bodies.delete(digest);
    this.#bytes -= ref.bytes;
  });

  home(bytes: Buffer): Buffer {
    const digest = digestOf(bytes);
    const ref = this.#bodies.get(digest);
    const held = ref?.deref();
    if (held) return held;
    const body = Buffer.from(bytes);
    if (!ref) this.#bytes += body.length;
    this.#bodies.set(digest, new BodyRef(body));
    this.#gone.register(body, digest);
    return body;
  }

  /** Bodies that memory holds, and their bytes: kept, not counted. What nobody holds is among them until it is collected. */
  census(): { readonly bodies: number; readonly bytes: number } {
    return { bodies: this.#bodies.size, bytes: this.#bytes };
  }
}
