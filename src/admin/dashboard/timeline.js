/** @import { AgentEvent, NameList } from '../agent-event.ts' */
import { byId, element, reconcile, setAttributes, setText } from './dom.js';
import { EventLog } from './event-log.js';
import { clockTime, count, counted, oneLine } from './words.js';

/** Events kept for the filters, and shown at once. */
const keptMax = 1_000;
const shownMax = 200;
/** Names told of one event without asking. */
const namesMax = 4;

/** What happened, newest first, as far as the reader has asked for it. */
export class Timeline {
  #log = new EventLog(keptMax);
  #isPaused = false;
  /** Events that came while it was paused. */
  #unseen = 0;
  #kind = byId('timeline-kind', HTMLSelectElement);
  #type = byId('timeline-type', HTMLSelectElement);
  #pause = byId('timeline-pause');

  constructor() {
    this.#kind.addEventListener('change', () => this.#show());
    this.#type.addEventListener('change', () => this.#show());
    this.#pause.addEventListener('click', () => {
      this.#isPaused = !this.#isPaused;
      setAttributes(this.#pause, { 'aria-pressed': String(this.#isPaused) });
      this.#unseen = 0;
      this.#show();
    });
    this.#show();
  }

  /**
   * @param {readonly AgentEvent[]} events
   * @param {string} process that they are of
   */
  add(events, process) {
    for (const event of events) if (this.#log.add(event, process)) this.#unseen += 1;
    if (this.#isPaused) setText(byId('timeline-count'), `Paused: ${counted(this.#unseen, 'new event')}`);
    else this.#show();
  }

  #show() {
    const all = this.#log.newestFirst();
    choices(this.#kind, 'all', new Set(all.map(({ event }) => event.kind)));
    choices(this.#type, 'all', new Set(all.flatMap(({ event }) => event.shortName ?? [])));
    const kind = this.#kind.value;
    const type = this.#type.value;
    const asked = all.filter(
      ({ event }) => (kind === 'all' || event.kind === kind) && (type === 'all' || event.shortName === type),
    );
    const cut = asked.length > shownMax ? `, the newest ${shownMax} shown` : '';
    const paused = this.#isPaused ? 'Paused: ' : '';
    setText(
      byId('timeline-count'),
      all.length === 0 ? 'Nothing yet in the last hour.' : `${paused}${counted(asked.length, 'event')}${cut}`,
    );
    reconcile(
      byId('timeline-list'),
      asked.slice(0, shownMax),
      ({ key }) => key,
      ({ event }) => `${event.times} ${event.lastWallMs}`,
      ({ event }) => draw(event),
    );
  }
}

/**
 * Adds what has come to be chosen from; nothing goes while it may be chosen.
 *
 * @param {HTMLSelectElement} select
 * @param {string} first
 * @param {ReadonlySet<string>} values
 */
function choices(select, first, values) {
  const there = new Set([...select.options].map(option => option.value));
  for (const value of [first, ...[...values].sort()])
    if (!there.has(value)) select.append(element('option', { value }, value));
}

/** @param {AgentEvent} event */
function draw(event) {
  const { kind, level, message, shortName, nodeId, streamId, times, wallMs, lastWallMs, names, resources } = event;
  const time = element(
    'time',
    { datetime: new Date(lastWallMs).toISOString(), title: new Date(lastWallMs).toISOString() },
    clockTime(lastWallMs, Date.now()),
  );
  const about = [
    message.startsWith(`${shortName} `) ? undefined : shortName,
    nodeId === undefined || nodeId === '' ? undefined : nodeId,
    kind === 'client' && streamId !== undefined ? `stream ${streamId}` : undefined,
  ].filter(Boolean);
  const again = times > 1 ? `${count(times)} times since ${clockTime(wallMs, Date.now())}` : '';
  /** @type {[string, NameList | undefined][]} */
  const lists = [
    ['added', names?.added],
    ['changed', names?.changed],
    ['removed', names?.removed],
    ['about', resources],
  ];
  return element(
    'li',
    { 'data-level': level },
    time,
    element(
      'span',
      { class: 'chip', 'data-kind': level === 'error' ? 'bad' : level === 'warn' ? 'warn' : 'quiet' },
      kind,
    ),
    element(
      'div',
      {},
      element(
        'p',
        {},
        about.length > 0 ? element('b', {}, `${about.join(' · ')} `) : undefined,
        oneLine(message),
        again === '' ? undefined : element('span', { class: 'quiet' }, ` (${again})`),
      ),
      ...lists.map(([what, list]) => (list && list.count > 0 ? namesOf(what, list) : undefined)),
    ),
  );
}

const signs = /** @type {Readonly<Record<string, string>>} */ ({ added: '+', changed: '~', removed: '−', about: '' });

/** @param {string} what @param {NameList} list */
function namesOf(what, { count: all, names }) {
  const first = names.slice(0, namesMax);
  const shown = [
    element('span', { class: 'sign', 'data-what': what }, `${signs[what] ?? ''}`),
    element('span', { class: 'unseen' }, `${what}: `),
    first.join('  '),
  ];
  if (all <= first.length) return element('p', { class: 'names' }, ...shown);
  const rest = names.slice(namesMax).join('  ');
  const untold = all - names.length;
  const ending = untold > 0 ? ` and ${count(untold)} more` : '';
  return element(
    'details',
    { class: 'names' },
    element('summary', {}, ...shown, ` +${count(all - first.length)} more`),
    rest + ending,
  );
}
