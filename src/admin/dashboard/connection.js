/** @import { AgentEvent, TrendPoint } from '../agent-event.ts' */
/** @import { StatusReport } from '../verdict.ts' */

/** Everything that `/status` says. @typedef {StatusReport} Status */

/**
 * How the page stands to the agent. `polling`: it answers, and has no event stream left for this page.
 *
 * @typedef {{ readonly kind: 'connecting' | 'live' | 'polling' } | { readonly kind: 'lost', readonly sinceWallMs: number }} ConnectionState
 */

/**
 * Who is told what.
 *
 * @typedef {object} Listener
 * @property {(status: Status) => void} onStatus
 * @property {(events: readonly AgentEvent[], process: string) => void} onEvents the process makes their numbers unique
 * @property {(points: readonly TrendPoint[]) => void} onTrend
 * @property {(state: ConnectionState) => void} onState
 */

/** State is asked for this often when nothing happens, in ms. */
const statusEveryMs = 5_000;
/** And not more often than this, whatever happens. */
const statusLeastMs = 1_000;
/** An answer that took long to make and read is asked for less often: this page is not what the agent is for. */
const statusShare = 20;
/** While the agent does not answer, in ms. */
const retryEveryMs = 1_000;
const trendEveryMs = 10_000;
/** Events that come together are shown together, in ms. */
const gatherMs = 100;
const timeoutMs = 10_000;

/** Follows an agent, over its restarts: events as they happen, its state after them. */
export class Connection {
  /** @type {Listener} */ #listener;
  /** @type {EventSource | undefined} */ #source;
  /** @type {AgentEvent[]} */ #gathered = [];
  /** Of the agent that the events come from; empty before its first word. */
  #process = '';
  /** @type {ConnectionState} */ #state = { kind: 'connecting' };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #statusTimer;
  #statusDueMs = Infinity;
  #isAsking = false;
  #isAskedAgain = false;
  /** When the last answer had come, and how long it took, in ms. */
  #answeredMs = -Infinity;
  #tookMs = 0;
  #heardWallMs = Date.now();
  #trendMs = -Infinity;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
    document.addEventListener('visibilitychange', () => this.#askSoon(0));
    this.#follow();
    this.#askSoon(0);
  }

  #follow() {
    this.#source?.close();
    const source = new EventSource('/events?since=1h');
    this.#source = source;
    source.addEventListener('hello', ({ data }) => {
      // A process of its own counts from 1 again.
      this.#flush();
      this.#process = JSON.parse(data).process;
      this.#trendMs = -Infinity;
      this.#askSoon(0);
    });
    source.addEventListener('happened', ({ data }) => {
      this.#heardWallMs = Date.now();
      this.#gathered.push(JSON.parse(data));
      if (this.#gathered.length === 1) setTimeout(() => this.#flush(), gatherMs);
      const pauseMs = Math.max(statusLeastMs, statusShare * this.#tookMs);
      this.#askSoon(Math.max(gatherMs, this.#answeredMs + pauseMs - performance.now()));
    });
    source.addEventListener('error', () => this.#askSoon(0));
  }

  #flush() {
    if (this.#gathered.length > 0) this.#listener.onEvents(this.#gathered.splice(0), this.#process);
  }

  /** @param {number} inMs */
  #askSoon(inMs) {
    const dueMs = performance.now() + inMs;
    if (dueMs >= this.#statusDueMs) return;
    clearTimeout(this.#statusTimer);
    this.#statusDueMs = dueMs;
    this.#statusTimer = setTimeout(() => this.#ask(), inMs);
  }

  async #ask() {
    this.#statusDueMs = Infinity;
    // Nobody looks; whoever comes back is shown the newest at once.
    if (document.hidden) return;
    if (this.#isAsking) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isAsking = true;
    const startMs = performance.now();
    try {
      const status = await askFor('/status');
      this.#answeredMs = performance.now();
      this.#listener.onStatus(status);
      this.#tookMs = performance.now() - startMs;
      this.#heardWallMs = Date.now();
      this.#answered();
      if (this.#answeredMs - this.#trendMs >= trendEveryMs) {
        this.#trendMs = this.#answeredMs;
        this.#listener.onTrend((await askFor('/trend')).points);
      }
    } catch (error) {
      // Unlike a failing agent, a failing page is a fault of ours.
      if (!(error instanceof NoAnswer)) throw error;
      this.#lost();
    } finally {
      this.#isAsking = false;
      const pauseMs = this.#isAskedAgain ? statusLeastMs : statusEveryMs;
      this.#askSoon(this.#state.kind === 'lost' ? retryEveryMs : Math.max(pauseMs, statusShare * this.#tookMs));
      this.#isAskedAgain = false;
    }
  }

  #answered() {
    const readyState = this.#source?.readyState;
    // Closed by its other end for good, as where there are too many; or by us, when the agent went.
    if (readyState === undefined || readyState === EventSource.CLOSED) this.#follow();
    if (readyState === EventSource.OPEN) this.#turn({ kind: 'live' });
    else this.#turn({ kind: readyState === EventSource.CLOSED ? 'polling' : 'connecting' });
  }

  #lost() {
    this.#source?.close();
    this.#source = undefined;
    if (this.#state.kind !== 'lost') this.#turn({ kind: 'lost', sinceWallMs: this.#heardWallMs });
  }

  /** @param {ConnectionState} state */
  #turn(state) {
    if (state.kind === this.#state.kind) return;
    this.#state = state;
    this.#listener.onState(state);
  }
}

/** The agent gave no answer, or none that is of use. */
export class NoAnswer extends Error {
  /** @override */
  name = 'NoAnswer';
}

/**
 * Reads a page of the agent.
 *
 * @param {string} path
 * @param {AbortSignal} [signal] ends it before
 * @returns {Promise<string>}
 * @throws {NoAnswer}
 */
export async function read(path, signal) {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(path, { signal: signal ? AbortSignal.any([signal, limit]) : limit });
    const text = await response.text();
    if (response.ok) return text;
    throw new NoAnswer(text.slice(0, 200).trim() || `status ${response.status}`);
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    throw new NoAnswer(`${path} was not answered`, { cause: error });
  }
}

/** @param {string} path */
async function askFor(path) {
  return JSON.parse(await read(path));
}
