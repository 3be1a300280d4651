/** @import { AgentEvent } from '../agent-event.ts' */

/** An event with what tells it from those of another process. @typedef {{ readonly key: string, readonly event: AgentEvent }} Kept */

/** How many different events may take turns, as those of one attempt to connect do. */
const turnsMax = 3;

/**
 * Makes one event of what is said again and again, so that an hour of attempts to connect hides nothing else.
 *
 * @param {readonly Kept[]} kept newest first
 * @returns {Kept[]} newest first; of a folded one the key is that of its oldest, and the event the newest with all times in it
 */
export function folded(kept) {
  /** @type {Kept[]} */
  const groups = [];
  for (const { key, event } of kept) {
    const at = placeOf(event, groups);
    const group = groups[at];
    if (!group) groups.push({ key, event });
    else groups[at] = { key, event: { ...group.event, times: group.event.times + event.times, wallMs: event.wallMs } };
  }
  return groups;
}

/** @param {AgentEvent} event @param {readonly Kept[]} groups */
function placeOf(event, groups) {
  if (event.kind !== 'upstream') return -1;
  for (let at = groups.length - 1; at >= Math.max(0, groups.length - turnsMax); at -= 1) {
    const other = groups[at]?.event;
    if (other?.kind !== 'upstream') return -1;
    const isSame =
      other.message === event.message && other.viewKey === event.viewKey && other.typeUrl === event.typeUrl;
    if (isSame) return at;
  }
  return -1;
}
