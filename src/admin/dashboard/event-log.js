/** @import { AgentEvent } from '../agent-event.ts' */

/**
 * An event as it is shown: the first of its kind, with all that repeated it.
 *
 * @typedef {object} Shown
 * @property {string} key the same as long as it is kept
 * @property {AgentEvent} event `wallMs` of the first, `lastWallMs` of the last, `times` of all
 */

/** How many different events may take turns, as those of one attempt to connect do. */
const turnsMax = 3;

/** @typedef {{ key: string, event: AgentEvent, lastKey: string, timesBefore: number }} Group */

/** What an agent has told, over its restarts: a bounded number of events, of which an hour of attempts to connect is two. */
export class EventLog {
  #lengthMax;
  /** Oldest first. @type {Group[]} */
  #groups = [];
  /** By the key of the newest event in it. @type {Map<string, Group>} */
  #byLastKey = new Map();
  #process = '';
  #lastSeq = 0;

  /** @param {number} lengthMax events kept */
  constructor(lengthMax) {
    this.#lengthMax = lengthMax;
  }

  /**
   * Takes an event in. One that was taken before is the same one, told again or happened again.
   *
   * @param {AgentEvent} event
   * @param {string} process that it is of; each numbers its own
   * @returns {boolean} whether it was not known before
   */
  add(event, process) {
    const key = `${process}-${event.seq}`;
    const known = this.#byLastKey.get(key);
    if (known) {
      known.event = { ...event, wallMs: known.event.wallMs, times: known.timesBefore + event.times };
      return false;
    }
    if (process === this.#process && event.seq <= this.#lastSeq) return false;
    this.#process = process;
    this.#lastSeq = event.seq;
    const group = this.#repeated(event);
    if (group) {
      this.#byLastKey.delete(group.lastKey);
      group.timesBefore = group.event.times;
      group.event = { ...event, wallMs: group.event.wallMs, times: group.timesBefore + event.times };
      group.lastKey = key;
      this.#byLastKey.set(key, group);
    } else {
      const made = { key, event, lastKey: key, timesBefore: 0 };
      this.#groups.push(made);
      this.#byLastKey.set(key, made);
      const oldest = this.#groups.length > this.#lengthMax ? this.#groups.shift() : undefined;
      if (oldest) this.#byLastKey.delete(oldest.lastKey);
    }
    return true;
  }

  /** @returns {Shown[]} newest first */
  newestFirst() {
    return this.#groups.map(({ key, event }) => ({ key, event })).reverse();
  }

  /** @param {AgentEvent} event */
  #repeated(event) {
    if (event.kind !== 'upstream') return undefined;
    for (const group of this.#groups.slice(-turnsMax).reverse()) {
      const { kind, message, viewKey, typeUrl } = group.event;
      if (kind !== 'upstream') return undefined;
      if (message === event.message && viewKey === event.viewKey && typeUrl === event.typeUrl) return group;
    }
    return undefined;
  }
}
