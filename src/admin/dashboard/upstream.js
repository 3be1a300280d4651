/** @import { Status } from './connection.js' */
/** @import { UpstreamReport } from '../reports.ts' */
import { aging, byId, element, reconcile } from './dom.js';
import { clockTime, count, oneLine, size, span } from './words.js';

/** Streams shown at most: there are some for each node. */
const streamsMax = 50;

const phaseKind = { open: 'ok', connecting: 'warn', backoff: 'bad', idle: 'quiet' };

/**
 * Shows the streams to control planes, and what they were spared.
 *
 * @param {Status} status
 * @param {number} nowWallMs
 */
export function showUpstream(status, nowWallMs) {
  const { upstreams, servers, load, cache } = status;
  const isManyViews = new Set(upstreams.map(one => one.viewKey)).size > 1;
  reconcile(
    byId('upstream-streams'),
    upstreams.slice(0, streamsMax),
    one => `${one.viewKey} ${one.group} ${one.isInUse} ${one.address}`,
    one => JSON.stringify([one, ageOf(one, nowWallMs)]),
    (one, before) =>
      aging(before, JSON.stringify(one), ageOf(one, nowWallMs), age => draw(one, age, nowWallMs, isManyViews)),
  );
  const saved = Math.max(0, load.clientBytes - load.upstreamBytes);
  const part = load.clientBytes > 0 ? ` (${Math.floor((100 * saved) / load.clientBytes)} %)` : '';
  const used = new Set(upstreams.filter(one => one.isInUse && one.phase === 'open').map(one => one.address));
  /** @type {[name: string, value: string, age?: string][]} */
  const facts = [
    [
      'Failover order',
      servers.map((one, at) => `${at + 1}.\u00a0${one}${used.has(one) ? ' (in use)' : ''}`).join(', '),
    ],
    ['Spared it', `${size(saved)}${part}, ${count(load.resendsAvoided)} resources sent again`],
    ['Disk cache', cache ? `${cache.state === 'ok' ? 'written' : 'failing'}, ${size(cache.bytes)}` : 'none'],
    ['Agent runs since', `${clockTime(status.startedWallMs, nowWallMs)},`, span(nowWallMs - status.startedWallMs)],
  ];
  reconcile(
    byId('upstream-facts'),
    facts,
    ([name]) => name,
    fact => fact.join(),
    ([name, value, time = ''], before) =>
      aging(before, value, time, age =>
        element('div', {}, element('dt', {}, name), element('dd', {}, value, ' ', age)),
      ),
  );
}

/** @param {UpstreamReport} one @param {number} nowWallMs */
function ageOf({ sinceWallMs }, nowWallMs) {
  return sinceWallMs === 0 ? '' : `${span(nowWallMs - sinceWallMs)} ago`;
}

/** @param {UpstreamReport} one @param {Element} age @param {number} nowWallMs @param {boolean} isManyViews */
function draw(one, age, nowWallMs, isManyViews) {
  const { viewKey, group, isInUse, phase, variant, address, identifier, sinceWallMs, lastError } = one;
  const isOpen = phase === 'open';
  const time = clockTime(sinceWallMs, nowWallMs);
  const since = sinceWallMs === 0 ? 'no stream yet' : isOpen ? `opened at ${time}, ` : `lost at ${time}, `;
  const about = [variant === 'delta' ? 'Delta' : 'SotW', identifier].filter(Boolean).join(' · ');
  const node = isManyViews ? viewKey.slice(0, 12) : '';
  const side = [group === 'main' ? '' : group, isInUse ? '' : 'tried, to take over', node].filter(Boolean).join(', ');
  const chip = element('span', { class: 'chip', 'data-kind': phaseKind[phase] }, isOpen ? 'connected' : phase);
  const end = `${isOpen ? 'The last one ended: ' : ''}${oneLine(lastError ?? '')}`;
  return element(
    'div',
    { class: 'stream' },
    element(
      'p',
      {},
      chip,
      ' ',
      element('b', { class: 'mono' }, address),
      ' ',
      element('span', { class: 'quiet' }, side),
    ),
    element('p', { class: 'quiet' }, since, age, ` · ${about}`),
    lastError === undefined ? undefined : element('p', { class: isOpen ? 'words past' : 'words' }, end),
  );
}
