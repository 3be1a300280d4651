import type { Clock } from '../xds/types.ts';
import type { LogLine } from './notes.ts';
import { spanWords } from './span-words.ts';
import { repeatEveryMs, type Telling } from './telling.ts';

/** What is remembered at once: past it the one that was quiet for the longest is told and forgotten. */
const keysMax = 512;
/** Clients that are told apart within one count. */
const clientsMax = 256;

interface Repeated {
  readonly first: Telling;
  toldAtMs: number;
  /** How often it happened since it was told. */
  times: number;
  readonly clients: Set<string>;
}

/** Tells what happens again and again at once, and then once a minute with its number. Nothing is left out without being counted. */
export class Repetitions {
  /** Oldest use first. */
  readonly #known = new Map<string, Repeated>();

  /**
   * It happened, maybe not for the first time.
   *
   * @param key the same for what is the same
   * @param clientId whose doing it is, where it counts how many do it
   * @returns what is to be told now
   */
  take(key: string, telling: Telling, { monotonicMs, wallMs }: Clock, clientId?: string): Telling[] {
    const known = this.#known.get(key);
    if (!known) {
      this.#known.set(key, { first: telling, toldAtMs: monotonicMs, times: 0, clients: new Set() });
      return [telling, ...this.#forgetOldest({ monotonicMs, wallMs })];
    }
    this.#known.delete(key);
    this.#known.set(key, known);
    known.times++;
    if (clientId !== undefined && known.clients.size < clientsMax) known.clients.add(clientId);
    return monotonicMs >= known.toldAtMs + repeatEveryMs ? [told(known, { monotonicMs, wallMs })] : [];
  }

  /** What has to be told by now without having happened again; to be asked from time to time. */
  *due(clock: Clock): Generator<Telling> {
    for (const [key, known] of this.#known) {
      if (clock.monotonicMs < known.toldAtMs + repeatEveryMs) continue;
      if (known.times > 0) yield told(known, clock);
      // A minute without it: the next one is news.
      else this.#known.delete(key);
    }
  }

  /** What was counted and not told: there is no later. */
  *rest(clock: Clock): Generator<Telling> {
    for (const known of this.#known.values()) if (known.times > 0) yield told(known, clock);
    this.#known.clear();
  }

  *#forgetOldest(clock: Clock): Generator<Telling> {
    for (const [key, known] of this.#known) {
      if (this.#known.size <= keysMax) return;
      this.#known.delete(key);
      if (known.times > 0) yield told(known, clock);
    }
  }
}

function told(known: Repeated, { monotonicMs, wallMs }: Clock): Telling {
  const { first, toldAtMs, times, clients } = known;
  const forMs = monotonicMs - toldAtMs;
  const { line, occurrence } = first;
  const telling: Telling = {
    kind: first.kind,
    line: line && again(line, times, forMs, [...clients]),
    occurrence: occurrence && {
      ...occurrence,
      ...(clients.size > 1 && { streamId: undefined, nodeId: undefined }),
      wallMs,
      times,
    },
  };
  known.toldAtMs = monotonicMs;
  known.times = 0;
  clients.clear();
  return telling;
}

/** The line of what happened `times` times since it was told. */
function again({ level, message, fields }: LogLine, times: number, forMs: number, clients: readonly string[]): LogLine {
  const { streamId: _, ...lasting } = fields;
  const [only, ...others] = clients;
  const who = clients.length < clientsMax ? `${clients.length} clients` : `${clientsMax} clients or more`;
  const by = others.length > 0 ? `, by ${who}` : '';
  const count = times === 1 ? 'once more' : `${times} times more`;
  const about = others.length > 0 ? { ...lasting, node: undefined, clients: clients.length } : lasting;
  return {
    level,
    message: `${message} (${count} in ${spanWords(forMs)}${by})`,
    fields: { ...about, ...(others.length === 0 && only !== undefined && { node: only }), times },
  };
}
