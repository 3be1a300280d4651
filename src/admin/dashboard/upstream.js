/** @import { Status } from './connection.js' */
/** @import { UpstreamReport } from '../source.ts' */
import { byId, element, reconcile } from './dom.js';
import { clockTime, count, oneLine, size, span } from './words.js';

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
    upstreams.slice(0, 50),
    one => `${one.viewKey} ${one.group} ${one.isInUse} ${one.address}`,
    one => JSON.stringify([one, ageOf(one, nowWallMs)]),
    one => draw(one, nowWallMs, isManyViews),
  );
  const saved = Math.max(0, load.clientBytes - load.upstreamBytes);
  const part = load.clientBytes > 0 ? ` (${Math.floor((100 * saved) / load.clientBytes)} %)` : '';
  const used = new Set(upstreams.filter(one => one.isInUse && one.phase === 'open').map(one => one.address));
  /** @type {[string, string][]} */
  const facts = [
    ['Failover order', servers.map((one, at) => `${at + 1}. ${one}${used.has(one) ? ' (in use)' : ''}`).join('  ')],
    ['Spared it', `${size(saved)}${part}, ${count(load.resendsAvoided)} resources sent again`],
    ['Disk cache', cache ? `${cache.state === 'ok' ? 'written' : 'failing'}, ${size(cache.bytes)}` : 'none'],
    ['Agent runs since', `${clockTime(status.startedWallMs, nowWallMs)} (${span(nowWallMs - status.startedWallMs)})`],
  ];
  reconcile(
    byId('upstream-facts'),
    facts,
    ([name]) => name,
    fact => fact.join(),
    ([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value)),
  );
}

/** @param {UpstreamReport} one @param {number} nowWallMs */
function ageOf({ sinceWallMs }, nowWallMs) {
  return sinceWallMs === 0 ? 'never yet' : span(nowWallMs - sinceWallMs);
}

/** @param {UpstreamReport} one @param {number} nowWallMs @param {boolean} isManyViews */
function draw(one, nowWallMs, isManyViews) {
  const { viewKey, group, isInUse, phase, variant, address, identifier, sinceWallMs, lastError } = one;
  const since =
    sinceWallMs === 0
      ? 'no stream yet'
      : `${phase === 'open' ? 'since' : 'lost at'} ${clockTime(sinceWallMs, nowWallMs)}`;
  const facts = [
    since,
    ...(sinceWallMs === 0 ? [] : [ageOf(one, nowWallMs)]),
    variant === 'delta' ? 'Delta' : 'SotW',
    ...(identifier === '' ? [] : [identifier]),
  ];
  const side = [
    group === 'main' ? '' : group,
    isInUse ? '' : 'tried, to take over',
    isManyViews ? viewKey.slice(0, 12) : '',
  ].filter(Boolean);
  return element(
    'div',
    { class: 'stream' },
    element(
      'p',
      {},
      element('span', { class: 'chip', 'data-kind': phaseKind[phase] }, phase === 'open' ? 'connected' : phase),
      ' ',
      element('b', { class: 'mono' }, address),
      ' ',
      element('span', { class: 'quiet' }, side.join(', ')),
    ),
    element('p', { class: 'quiet' }, facts.join(' · ')),
    lastError === undefined
      ? undefined
      : element(
          'p',
          { class: phase === 'open' ? 'words past' : 'words' },
          `${phase === 'open' ? 'The last one ended: ' : ''}${oneLine(lastError)}`,
        ),
  );
}
