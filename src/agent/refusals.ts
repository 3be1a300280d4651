import type { RefusalReport } from '../admin/reports.ts';
import type { Note } from './events.ts';

/** Refusals that are remembered at once; past it the one that happened longest ago goes. */
const refusalsMax = 32;
/** How long one is remembered after it happened last, in ms: whoever is refused and means it tries again much sooner. */
const keptMs = 15 * 60_000;
/** Longest reason and node id, in characters. */
const textMax = 512;

/** Which clients were refused lately, and why: until their node is let in. */
export class Refusals {
  /** What happened longest ago first. */
  readonly #known = new Map<string, RefusalReport>();

  /** Takes in what the core notes. @param wallMs time in ms since the epoch */
  observe(note: Note, wallMs: number): void {
    if (note.kind === 'client_attached') this.#accepted(note.nodeId);
    if (note.kind !== 'client_refused') return;
    const { code, listener } = note;
    const nodeId = clip(note.nodeId);
    const reason = clip(note.reason);
    const key = JSON.stringify([nodeId, listener, reason]);
    const before = this.#known.get(key);
    this.#known.delete(key);
    const times = (before?.times ?? 0) + 1;
    const firstWallMs = before?.firstWallMs ?? wallMs;
    this.#known.set(key, { nodeId, listener, code, reason, times, firstWallMs, lastWallMs: wallMs });
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > refusalsMax) this.#known.delete(oldest);
  }

  /** Those of the last minutes, what happened last first. */
  list(wallMs: number): RefusalReport[] {
    for (const [key, { lastWallMs }] of this.#known) if (lastWallMs + keptMs < wallMs) this.#known.delete(key);
    return [...this.#known.values()].reverse();
  }

  #accepted(nodeId: string): void {
    const id = clip(nodeId);
    for (const [key, known] of this.#known) if (known.nodeId === id) this.#known.delete(key);
  }
}

function clip(text: string): string {
  return text.length > textMax ? `${text.slice(0, textMax)}…` : text;
}
