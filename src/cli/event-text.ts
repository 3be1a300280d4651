import type { AgentEvent } from './agent-report.ts';
import type { Paint } from './paint.ts';
import { plain } from './plain.ts';

/** Names shown of each kind of change. */
const namesShownMax = 8;
const messageMax = 400;

type Names = NonNullable<AgentEvent['resources']>;

/** An event on one line: when, what kind, which type, what, and why. */
export function eventLine(told: AgentEvent, nowWallMs: number, paint: Paint): string {
  const event = plain(told);
  const { wallMs, kind, shortName = '', level, times, lastWallMs } = event;
  const colour = { info: (text: string) => text, warn: paint.warn, error: paint.bad }[level];
  const again = times > 1 ? ` (${times} times, the last ${clock(lastWallMs, nowWallMs)})` : '';
  const columns = [paint.dim(clock(wallMs, nowWallMs)), kind.padEnd(10), shortName.padEnd(4)];
  return `${columns.join('  ')}  ${colour(textOf(event))}${again}\n`;
}

function textOf({ names, message, resources, nodeId }: AgentEvent): string {
  const text = message.slice(0, messageMax);
  if (!names) {
    const whose = nodeId === undefined || text.includes(nodeId) ? '' : ` (${nodeId})`;
    return resources ? `${text}: ${listed(resources)}${whose}` : `${text}${whose}`;
  }
  const parts = (['added', 'changed', 'removed'] as const).flatMap(word =>
    names[word].count > 0 ? [`${word} ${listed(names[word])}`] : [],
  );
  // The message counts first, and then says why.
  return `${parts.join('; ')}: ${text.slice(text.indexOf(': ') + 2)}`;
}

function listed({ count, names }: Names): string {
  const shown = names.slice(0, namesShownMax);
  const more = count - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** The time of day, in UTC as everywhere in a cluster; with the date if it was not today. */
export function clock(wallMs: number, nowWallMs: number): string {
  const text = new Date(wallMs).toISOString();
  const isToday = text.slice(0, 10) === new Date(nowWallMs).toISOString().slice(0, 10);
  return isToday ? `${text.slice(11, 19)}Z` : `${text.slice(0, 19)}Z`;
}
