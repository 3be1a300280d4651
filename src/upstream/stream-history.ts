import { grpcCode, type RpcStatus } from '../xds/types.ts';

/** What a stream was worth: never answered, answered and lost at once, or one that lasted. A server of brief ones in a row is as good as away. */
export type Standing = 'none' | 'brief' | 'long';

/** A stream that was opened so long ago, in ms, stands, also when the server had nothing to say (R108). */
export const standingAfterMs = 5_000;

/** What became of the streams of one session so far: for the status, and for the decision to turn to another server. */
export class StreamHistory {
  /** When the present stream was opened, or the last one that was; wall time in ms. */
  openedWallMs = 0;
  /** `control_plane.identifier` of the newest response. */
  identifier = '';
  /** Why the last stream ended, as people read it. */
  lastError: string | undefined;
  /** Since when the server does not accept our credentials, wall time in ms; undefined while it does. */
  unauthenticatedSinceWallMs: number | undefined;
  #downSinceMs: number | undefined;
  #downSinceWallMs = 0;
  /** Our credentials were refused since the last stream that stood. */
  #isRefused = false;
  /** The last stream was answered, and did not last. */
  #isFlapping = false;

  /** When the last stream that stood was lost, or the first attempt was begun; monotonic in ms. */
  get downSinceMs(): number | undefined {
    return this.#downSinceMs;
  }

  /** As {@link downSinceMs}, in wall time; 0 before the first attempt. */
  get downSinceWallMs(): number {
    return this.#downSinceWallMs;
  }

  /** An attempt begins. */
  opening(nowMs: number, wallMs: number): void {
    if (this.#downSinceMs === undefined) this.#wentDown(nowMs, wallMs);
  }

  /** A response came: the server takes us. */
  heard(): void {
    this.unauthenticatedSinceWallMs = undefined;
  }

  /**
   * A stream ended.
   *
   * @returns whether it is the first since one that stood that ended because the server does not accept our credentials
   */
  ended({ code, message }: RpcStatus, standing: Standing, nowMs: number, wallMs: number): boolean {
    this.lastError = `${code}: ${message}`;
    this.left(standing, nowMs, wallMs);
    if (code !== grpcCode.unauthenticated) return false;
    this.unauthenticatedSinceWallMs ??= wallMs;
    const isFirst = !this.#isRefused;
    this.#isRefused = true;
    return isFirst;
  }

  /** We ended the stream ourselves. */
  left(standing: Standing, nowMs: number, wallMs: number): void {
    if (standing === 'none' || (standing === 'brief' && this.#isFlapping)) return;
    this.#wentDown(nowMs, wallMs);
    this.#isFlapping = standing === 'brief';
    if (standing === 'long') this.#isRefused = false;
  }

  #wentDown(nowMs: number, wallMs: number): void {
    this.#downSinceMs = nowMs;
    this.#downSinceWallMs = wallMs;
  }
}
