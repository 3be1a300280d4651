/** @import { HeldResource, ResourceWord } from '../reports.ts' */
import { NoAnswer, read } from './connection.js';
import { byId, element, setText } from './dom.js';
import { clockTime, counted, oneLine, size } from './words.js';

/** What was found, without what is never sent here. @typedef {Omit<HeldResource, 'body'>} Found */

const shownMax = 50;
/** Clients told one by one. */
const clientsMax = 100;
/** Time without a key after which it is searched, in ms. */
const restMs = 200;

/** Looks for resources by a part of their name. The agent looks: of ten thousand names only what was found comes here. */
export class Search {
  #text = byId('search-text', HTMLInputElement);
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #running = new AbortController();

  constructor() {
    this.#text.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), restMs);
    });
    byId('search')
      .querySelector('form')
      ?.addEventListener('submit', event => {
        event.preventDefault();
        clearTimeout(this.#timer);
        this.#search();
      });
  }

  async #search() {
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    const wanted = this.#text.value.trim();
    if (wanted === '') return this.#show('', []);
    try {
      // The very name first, or names that hold it might fill the list before it.
      const exact = await find({ name: wanted, limit: String(shownMax) }, signal);
      const partly = await find({ contains: wanted, limit: String(shownMax + 1) }, signal);
      const seen = new Set(exact.map(keyOf));
      const found = [...exact, ...partly.filter(one => !seen.has(keyOf(one)))];
      const more = found.length > shownMax ? `More than ${shownMax}; the first are shown. Type more of the name.` : '';
      const none =
        'Nothing is held whose name holds this. What was asked for and does not exist is told in what happened.';
      this.#show(more || (found.length === 0 ? none : counted(found.length, 'resource')), found.slice(0, shownMax));
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      // Of a search that another one has followed nothing is to be said.
      if (!signal.aborted) this.#show(`The agent did not answer: ${error.message}`, []);
    }
  }

  /** @param {string} count @param {readonly Found[]} found */
  #show(count, found) {
    setText(byId('search-count'), count);
    byId('search-found').replaceChildren(...found.map(draw));
  }
}

/** @param {Found} found */
function keyOf({ viewKey, typeUrl, name }) {
  return `${viewKey} ${typeUrl} ${name}`;
}

/**
 * @param {Readonly<Record<string, string>>} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<Found[]>}
 */
async function find(query, signal) {
  const text = await read(`/resources?${new URLSearchParams(query)}`, signal);
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
}

/** @param {Found} found */
function draw(found) {
  const { typeUrl, name, bytes, version, source, isCurrent, changedWallMs, words, quarantine, isIdle } = found;
  const { subscribed, acked, nacked, sent } = words;
  const facts = [
    typeUrl.slice(typeUrl.lastIndexOf('.') + 1),
    ...(bytes > 0 ? [size(bytes)] : []),
    ...(version === '' ? [] : [`version ${version}`]),
    changedWallMs === undefined ? 'changed: not known' : `changed ${clockTime(changedWallMs, Date.now())}`,
    `from ${source}${isCurrent ? '' : ', not confirmed'}`,
  ];
  const has =
    subscribed === 0
      ? isIdle
        ? 'nobody asks for it now'
        : 'no client asks for it'
      : sent > 0 && acked === 0
        ? `sent to ${sent} of ${subscribed}`
        : `${acked} of ${subscribed} have it`;
  const clients = element('div', { class: 'clients' });
  const details = element('details', {}, element('summary', {}, 'Who has it'), clients);
  // Asked for when somebody wants to see it.
  details.addEventListener('toggle', () => details.open && showClients(found, clients));
  return element(
    'li',
    {},
    element('p', {}, element('b', { class: 'mono' }, name)),
    element('p', { class: 'quiet' }, facts.join(' · ')),
    element(
      'p',
      {},
      element(
        'span',
        {
          class: 'chip',
          'data-kind':
            nacked > 0 || quarantine ? 'bad' : acked + sent < subscribed ? 'warn' : subscribed === 0 ? 'quiet' : 'ok',
        },
        has,
      ),
      nacked > 0 ? element('span', { class: 'chip', 'data-kind': 'bad' }, `rejected by ${nacked}`) : undefined,
    ),
    quarantine
      ? element(
          'p',
          {},
          `Rejected; served: ${quarantine.served}. `,
          element('span', { class: 'words' }, oneLine(quarantine.words)),
        )
      : undefined,
    subscribed > 0 ? details : undefined,
  );
}

/** @type {Readonly<Record<ResourceWord['word'], readonly [text: string, kind: string]>>} */
const wordTexts = {
  acked: ['has it', 'ok'],
  sent: ['was sent it', 'ok'],
  nacked: ['rejected it', 'bad'],
  pending: ['has not answered yet', 'warn'],
  'not sent': ['was not sent it yet', 'quiet'],
};

/** @param {Found} found @param {HTMLElement} into */
async function showClients({ typeUrl, viewKey, name }, into) {
  try {
    const [now] = await find({ type: typeUrl, view: viewKey, name, clients: 'true' });
    const all = [...(now?.clients ?? [])].sort((a, b) => Number(b.word === 'nacked') - Number(a.word === 'nacked'));
    const items = all.slice(0, clientsMax).map(({ streamId, nodeId, word, error }) => {
      const [text, kind] = wordTexts[word];
      return element(
        'li',
        {},
        element('span', { class: 'mono' }, nodeId),
        ` (stream ${streamId}) `,
        element('span', { class: 'chip', 'data-kind': kind }, text),
        error === undefined ? undefined : element('span', { class: 'words' }, ` ${oneLine(error)}`),
      );
    });
    const rest = all.length - clientsMax;
    into.replaceChildren(
      now
        ? element('ul', { class: 'plain' }, ...items, rest > 0 ? element('li', {}, `and ${rest} more`) : undefined)
        : 'It is not held any more.',
    );
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    into.replaceChildren(`The agent did not answer: ${error.message}`);
  }
}
