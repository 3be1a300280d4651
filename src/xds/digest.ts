// Hashing is a pure function of its input; this is the only pure file that may use node:crypto.
import { hash } from 'node:crypto';

/**
 * Content digest of a resource body: the first 18 bytes of SHA-256, base64url, 24 characters.
 * The same bytes give the same digest in every process, which content versions rely on (R90).
 */
export function digestOf(bytes: Uint8Array | string): string {
  // Through a Buffer, since a sliced string would keep its longer parent alive.
  return hash('sha256', bytes, 'buffer').toString('base64url', 0, 18);
}

/**
 * An order-independent digest of a set of (name, digest) pairs, kept up to date by what changes (R90).
 * Four 32-bit lanes, each a sum modulo 2^32 over all members, so removing is subtracting.
 */
export class SetDigest {
  readonly #lanes = new Uint32Array(4);
  #count = 0;

  add(name: string, digest: string): void {
    this.#mix(name, digest, 1);
    this.#count++;
  }

  remove(name: string, digest: string): void {
    this.#mix(name, digest, -1);
    this.#count--;
  }

  /** Copies this state, for a digest of the same set with a few members more. */
  clone(): SetDigest {
    const copy = new SetDigest();
    copy.#lanes.set(this.#lanes);
    copy.#count = this.#count;
    return copy;
  }

  /** Text form, safe in a `version_info`: equal for equal sets, never empty. */
  toString(): string {
    let text = `w${this.#count.toString(36)}`;
    for (const lane of this.#lanes) text += `-${lane.toString(36)}`;
    return text;
  }

  #mix(name: string, digest: string, sign: 1 | -1): void {
    // FNV-1a of the name ties the body to its name: two resources that swap bodies change the sum.
    let nameHash = 0x811c9dc5;
    for (let index = 0; index < name.length; index++) {
      nameHash = Math.imul(nameHash ^ name.charCodeAt(index), 0x01000193);
    }
    for (let lane = 0; lane < 4; lane++) {
      let part = 0;
      for (let index = 0; index < 5; index++) part = Math.imul(part, 67) + digest.charCodeAt(lane * 5 + index);
      const mixed = Math.imul(part ^ Math.imul(nameHash, laneFactors[lane] ?? 1), 0x9e3779b1);
      this.#lanes[lane] = (this.#lanes[lane] ?? 0) + sign * (mixed ^ (mixed >>> 15));
    }
  }
}

const laneFactors = [0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f, 0x165667b1];
