import { grpcCode, type RpcStatus } from '../xds/types.ts';

/** A stream that was opened so long ago, in ms, stands, also when the server had nothing to say (R108). */
export const standingAfterMs = 5_000;

/** What became of the streams of one session so far: for the status, and for the decision to turn to another server. */
export class StreamHistory {
  /** Wall time in ms at which the present phase began. */
  sinceWallMs = 0;
  /** `control_plane.identifier` of the newest response. */
  identifier = '';
  /** Why the last stream ended, as people read it. */
  lastError: string | undefined;
  /** Since when the server does not accept our credentials, wall time in ms; undefined while it does. */
  unauthenticatedSinceWallMs: number | undefined;
  #downSinceMs: number | undefined;

  /** When the last stream that stood was lost, or the first attempt was begun; monotonic in ms. */
  get downSinceMs(): number | undefined {
    return this.#downSinceMs;
  }

  /** An attempt begins. */
  opening(nowMs: number, wallMs: number): void {
    this.sinceWallMs = wallMs;
    this.#downSinceMs ??= nowMs;
  }

  /** A response came: the server takes us. */
  heard(): void {
    this.unauthenticatedSinceWallMs = undefined;
  }

  /**
   * A stream ended. @param hasStood whether it stood
   *
   * @returns whether it is the first in a row that ended because the server does not accept our credentials
   */
  ended({ code, message }: RpcStatus, hasStood: boolean, nowMs: number, wallMs: number): boolean {
    this.lastError = `${code}: ${message}`;
    this.left(hasStood, nowMs, wallMs);
    const isFirst = this.unauthenticatedSinceWallMs === undefined;
    if (code === grpcCode.unauthenticated) this.unauthenticatedSinceWallMs ??= wallMs;
    return isFirst && code === grpcCode.unauthenticated;
  }

  /** We ended the stream ourselves. */
  left(hasStood: boolean, nowMs: number, wallMs: number): void {
    this.sinceWallMs = wallMs;
    if (hasStood) this.#downSinceMs = nowMs;
  }
}
