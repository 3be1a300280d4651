/** @import { Status } from './connection.js' */
/** @import { ClientReport, ClientTypeReport } from '../reports.ts' */
import { byId, element, reconcile, scrollerOf, setText, tableOf } from './dom.js';
import { clockTime, count, counted, labelsOf, oneLine } from './words.js';

/** Clients shown at most; those that need attention come first. */
const clientsMax = 400;

/** How the words of a client's types look, and which of them comes first. @type {Readonly<Record<ClientTypeReport['status'], { kind: string, rank: number }>>} */
const looks = {
  REJECTED: { kind: 'bad', rank: 0 },
  'NOT SENT': { kind: 'quiet', rank: 1 },
  STALE: { kind: 'warn', rank: 2 },
  SENT: { kind: 'ok', rank: 3 },
  SYNCED: { kind: 'ok', rank: 3 },
};

/** @type {HTMLTableElement | undefined} */
let table;
let shownColumns = '';

/**
 * Shows the clients and what each has said of each type.
 *
 * @param {Status} status
 * @param {number} nowWallMs
 */
export function showClients({ clients }, nowWallMs) {
  setText(byId('clients-sum'), sumOf(clients));
  const labels = labelsOf(clients.flatMap(client => client.types));
  const typeUrls = [...labels.keys()].sort((a, b) => order(labels.get(a)) - order(labels.get(b)) || (a < b ? -1 : 1));
  const columns = typeUrls.join(' ');
  if (!table || columns !== shownColumns) {
    table?.remove();
    table = tableOf('What each client has said of each type', [
      ['Client'],
      ['Connected'],
      ...typeUrls.map(one => /** @type {[string]} */ ([labels.get(one) ?? one])),
    ]);
    table.createTBody();
    scrollerOf('clients').append(table);
    shownColumns = columns;
  }
  const [body] = table.tBodies;
  if (!body) return;
  const shown = [...clients].sort((a, b) => rankOf(a) - rankOf(b) || a.streamId - b.streamId).slice(0, clientsMax);
  const lines = shown.flatMap(client => [
    { key: String(client.streamId), client, rejected: undefined },
    ...client.types
      .filter(type => type.status === 'REJECTED')
      .map(rejected => ({ key: `${client.streamId} ${rejected.typeUrl}`, client, rejected })),
  ]);
  reconcile(
    body,
    lines,
    line => line.key,
    ({ client, rejected }) =>
      rejected
        ? `${rejected.lastError}`
        : `${client.nodeId} ${client.types.map(type => type.typeUrl + type.status + remarkOn(type)).join()}`,
    ({ client, rejected }) =>
      rejected
        ? refusalOf(client, rejected, labels.get(rejected.typeUrl) ?? rejected.shortName, typeUrls.length + 2)
        : rowOf(client, typeUrls, nowWallMs),
  );
}

/** @param {ClientReport} client @param {ClientTypeReport} rejected @param {string} label @param {number} columns */
function refusalOf({ nodeId }, { lastError = '' }, label, columns) {
  const words = element('span', { class: 'words' }, oneLine(lastError));
  const what = element('div', {}, element('b', {}, `${label} rejected by ${nodeId}: `), words);
  return element('tr', { class: 'more' }, element('td', { colspan: String(columns) }, what));
}

/** Envoy's types in the order in which they are sent. @param {string | undefined} label */
function order(label) {
  const place = ['CDS', 'EDS', 'LDS', 'RDS', 'SDS'].indexOf(label ?? '');
  return place < 0 ? 99 : place;
}

/** @param {ClientReport} client */
function rankOf({ types }) {
  // Who came back with what it has is sent nothing.
  const ranks = types.map(({ status, isComplete }) =>
    status === 'NOT SENT' && isComplete ? looks.SYNCED.rank : looks[status].rank,
  );
  return Math.min(...ranks, 9);
}

/** @param {ClientTypeReport} type */
function remarkOn({ status, isComplete, lastAckedVersion }) {
  if (status === 'NOT SENT' && isComplete) return 'it came with what it has: nothing is to be sent';
  return lastAckedVersion === '' ? 'nothing acknowledged yet' : `acknowledged: ${lastAckedVersion}`;
}

/** @param {readonly ClientReport[]} clients */
function sumOf(clients) {
  if (clients.length === 0) return 'No client is connected.';
  /** @type {Map<string, number>} */
  const byRank = new Map();
  for (const client of clients) {
    const rank = rankOf(client);
    const word = rank === 0 ? 'with a rejection' : rank === 1 ? 'waiting' : rank === 2 ? 'behind' : 'in sync';
    byRank.set(word, (byRank.get(word) ?? 0) + 1);
  }
  const parts = ['with a rejection', 'waiting', 'behind', 'in sync'].flatMap(word =>
    byRank.has(word) ? [`${count(byRank.get(word) ?? 0)} ${word}`] : [],
  );
  const cut = clients.length > clientsMax ? `; the ${clientsMax} that need most attention are shown` : '';
  return `${counted(clients.length, 'stream')}: ${parts.join(', ')}${cut}`;
}

/**
 * @param {ClientReport} client
 * @param {readonly string[]} typeUrls
 * @param {number} nowWallMs
 */
function rowOf(
  { streamId, nodeId, nodeCluster, userAgent, variant, listener, connectedWallMs, types },
  typeUrls,
  nowWallMs,
) {
  const byUrl = new Map(types.map(type => [type.typeUrl, type]));
  const about = [`stream ${streamId}`, userAgent, variant === 'delta' ? 'Delta' : 'SotW', nodeCluster, listener]
    .filter(Boolean)
    .join(' · ');
  return element(
    'tr',
    {},
    element(
      'th',
      { scope: 'row' },
      element('span', { class: 'mono' }, nodeId === '' ? '(no node yet)' : nodeId),
      element('small', {}, about),
    ),
    element('td', {}, clockTime(connectedWallMs, nowWallMs)),
    ...typeUrls.map(typeUrl => {
      const type = byUrl.get(typeUrl);
      if (!type) return element('td', { class: 'none' }, '–');
      return element(
        'td',
        { title: remarkOn(type) },
        element('span', { class: 'chip', 'data-kind': looks[type.status].kind }, type.status),
      );
    }),
  );
}
