/** @import { Status } from './connection.js' */
/** @import { TypeReport } from '../reports.ts' */
/** @import { Cell } from './dom.js' */
import { byId, element, reconcile, scrollerOf, setCells, setText, tableOf } from './dom.js';
import { clockTime, count, counted, labelsOf, oneLine, size, span } from './words.js';

/** Rejections told of one type. */
const quarantinedMax = 20;
/** Types shown at most: each node has some ten. */
const typesMax = 300;

/** @type {[string, string?][]} */
const columns = [
  ['Type'],
  ['Resources', 'number'],
  ['Size', 'number'],
  ['Source'],
  ['Age'],
  ['Last change'],
  ['Version', 'version'],
  ['Missing', 'number'],
  ['Rejected', 'number'],
  ['Held back', 'number'],
];

/** @type {HTMLTableElement | undefined} */
let table;

/**
 * Shows what is held, type by type.
 *
 * @param {Status} status
 * @param {number} nowWallMs
 */
export function showTypes(status, nowWallMs) {
  const { types, clients } = status;
  const resources = types.reduce((sum, type) => sum + type.resources, 0);
  const bytes = types.reduce((sum, type) => sum + type.bytes, 0);
  const cut = types.length > typesMax ? `; the first ${typesMax} types are shown` : '';
  const sum = `${counted(resources, 'resource')}, ${size(bytes)}${cut}`;
  setText(byId('types-sum'), types.length === 0 ? 'Nothing was asked for yet.' : sum);
  if (!table) {
    table = tableOf('What is held of each type', columns);
    table.createTBody();
    scrollerOf('types').append(table);
  }
  const [body] = table.tBodies;
  if (!body) return;
  const labels = labelsOf(types);
  const nodes = new Map(
    clients.flatMap(({ viewKey, nodeId }) => (viewKey === undefined ? [] : [/** @type {const} */ ([viewKey, nodeId])])),
  );
  const isManyViews = new Set(types.map(type => type.viewKey)).size > 1;
  const lines = types.slice(0, typesMax).flatMap(type => {
    const { viewKey, typeUrl, shortName, quarantined } = type;
    const key = `${viewKey} ${typeUrl}`;
    const node = isManyViews ? ` · ${nodes.get(viewKey) ?? viewKey.slice(0, 12)}` : '';
    const line = {
      key,
      cells: cellsOf(type, (labels.get(typeUrl) ?? shortName) + node, nowWallMs),
      refused: undefined,
    };
    return quarantined.length === 0 ? [line] : [line, { key: `${key} refused`, cells: [], refused: quarantined }];
  });
  reconcile(
    body,
    lines,
    line => line.key,
    line => JSON.stringify(line.refused ?? line.cells),
    ({ cells, refused }, before) => {
      if (refused) {
        return element(
          'tr',
          { class: 'more' },
          element('td', { colspan: String(columns.length) }, element('div', {}, refusals(refused))),
        );
      }
      const row = before instanceof HTMLTableRowElement ? before : element('tr');
      setCells(row, cells);
      return row;
    },
  );
}

/** @param {TypeReport['quarantined']} refused */
function refusals(refused) {
  const items = refused
    .slice(0, quarantinedMax)
    .map(({ name, words, served }) =>
      element(
        'li',
        {},
        element('b', { class: 'mono' }, name),
        ' is rejected; served: ',
        served,
        '. ',
        element('span', { class: 'words' }, oneLine(words)),
      ),
    );
  const rest = refused.length - quarantinedMax;
  return element(
    'ul',
    { class: 'plain' },
    ...items,
    rest > 0 ? element('li', {}, `and ${counted(rest, 'more')}`) : undefined,
  );
}

/**
 * @param {TypeReport} type
 * @param {string} label
 * @param {number} nowWallMs
 * @returns {Cell[]}
 */
function cellsOf(type, label, nowWallMs) {
  const { typeUrl, resources, bytes, source, isCurrent, isStale, isWithheld, ageMs, versionInfo, updatedWallMs } = type;
  const age = isCurrent ? 'current' : ageMs === undefined ? 'never heard' : span(ageMs);
  const remark = isWithheld ? ', withheld' : isStale ? ', too old' : '';
  const state = type.state === 'known' ? 'the whole set' : 'by name only';
  return [
    { text: label, title: typeUrl, isHeader: true },
    {
      text: count(resources),
      kind: 'number',
      title: `${state}; ${counted(type.namesWanted, 'name')} asked for, ${count(type.idleResources)} idle`,
    },
    { text: size(bytes), kind: 'number' },
    { text: source, kind: isCurrent || source === 'none' ? undefined : 'warn' },
    { text: age + remark, kind: isCurrent ? 'good' : isStale || isWithheld ? 'bad' : 'warn' },
    { text: updatedWallMs === undefined ? '–' : clockTime(updatedWallMs, nowWallMs) },
    { text: versionInfo === '' ? '–' : versionInfo, kind: 'mono version', title: versionInfo },
    zeroOr(type.namesMissing, 'warn'),
    zeroOr(type.quarantined.length, 'bad'),
    zeroOr(type.heldRemovals, 'warn'),
  ];
}

/** @param {number} value @param {string} kind @returns {Cell} */
function zeroOr(value, kind) {
  return { text: count(value), kind: value === 0 ? 'number none' : `number ${kind}` };
}
