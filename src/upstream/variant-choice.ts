import { grpcCode, type Variant } from '../xds/types.ts';

/** A server that does not know Delta is asked for it again after this time. */
const deltaRetryMs = 3_600_000;
/** UNIMPLEMENTED answers in a row that make a server one without Delta: one could be a proxy in between. */
const unimplementedMax = 2;

/** Which variant is spoken upstream. `auto` is Delta, and SotW for an hour at a time with a server that does not know Delta. */
export class VariantChoice {
  readonly #isAuto: boolean;
  #current: Variant;
  #unimplementedCount = 0;
  #deltaRetryAtMs = Infinity;

  constructor(setting: 'auto' | Variant) {
    this.#isAuto = setting === 'auto';
    this.#current = setting === 'sotw' ? 'sotw' : 'delta';
  }

  get current(): Variant {
    return this.#current;
  }

  /** When Delta is to be tried again, on the monotonic clock in ms; Infinity while it is spoken or was never refused. */
  get deltaRetryAtMs(): number {
    return this.#deltaRetryAtMs;
  }

  /** A response came: the server knows this variant. */
  confirmed(): void {
    this.#unimplementedCount = 0;
  }

  /**
   * A stream ended before any response.
   *
   * @returns what it means for the variant: nothing, that the server seems not to know it, or that it is another one from now on
   */
  failed(code: number, nowMs: number): 'kept' | 'doubted' | 'changed' {
    if (!this.#isAuto || this.#current !== 'delta') return 'kept';
    // Only a status from the server itself says what the server can: an unreachable one says nothing.
    if (code !== grpcCode.unimplemented) {
      this.#unimplementedCount = 0;
      return 'kept';
    }
    if (++this.#unimplementedCount < unimplementedMax) return 'doubted';
    this.#deltaRetryAtMs = nowMs + deltaRetryMs;
    this.#current = 'sotw';
    return 'changed';
  }

  /** Takes up Delta again; one more refusal is enough to give it up. */
  retryDelta(): void {
    this.#unimplementedCount = unimplementedMax - 1;
    this.#deltaRetryAtMs = Infinity;
    this.#current = 'delta';
  }
}
