/** How far the disk is behind, and how long its writes take; kept as it happens, so that whoever asks costs nothing. Times are monotonic, in ms. */
export class DiskPulse {
  /** Resources on disk at the end of the last write. */
  resources = 0;
  #oldestMs: number | undefined;
  #begunMs = 0;

  /** A change came that is not on disk yet. */
  queued(nowMs: number): void {
    this.#oldestMs ??= nowMs;
  }

  /** All changes that came so far are being written. */
  begun(nowMs: number): void {
    this.#begunMs = nowMs;
  }

  /** They are on disk. @param isAnyLeft changes have come meanwhile. Returns how long it took, in ms. */
  written(nowMs: number, isAnyLeft: boolean): number {
    this.#oldestMs = isAnyLeft ? this.#begunMs : undefined;
    return nowMs - this.#begunMs;
  }

  /** The file is begun anew, and everything comes once more. */
  lost(): void {
    this.resources = 0;
    this.#oldestMs = undefined;
  }

  /** How long the oldest change that is not on disk has waited, in ms; 0 without any. */
  oldestPendingMs(nowMs: number): number {
    return this.#oldestMs === undefined ? 0 : nowMs - this.#oldestMs;
  }
}
