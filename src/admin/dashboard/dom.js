/** @typedef {Node | string | undefined} Child */

/**
 * Makes an element. Texts become text nodes: whatever they hold, it is shown and never run.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flatMap(child => child ?? []));
  return made;
}

/**
 * Makes an element of a drawing.
 *
 * @param {string} tag
 * @param {Readonly<Record<string, string | number>>} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children.flatMap(child => child ?? []));
  return made;
}

/**
 * An element of the page, by its id.
 *
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @param {new () => Kind} [kind]
 * @returns {Kind}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!found || (kind && !(found instanceof kind))) throw new Error(`the page has no such element: ${id}`);
  return /** @type {Kind} */ (found);
}

/**
 * The part of a section that its tables and lists go into.
 *
 * @param {string} id of the section
 * @returns {HTMLElement}
 */
export function scrollerOf(id) {
  const found = byId(id).querySelector('.scroll');
  if (!(found instanceof HTMLElement)) throw new Error(`section ${id} has no part that scrolls`);
  return found;
}

/**
 * Writes a text where it is another one, so that nothing is drawn, selected or read aloud anew for nothing.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Sets attributes where they differ; undefined takes one away.
 *
 * @param {Element} target
 * @param {Readonly<Record<string, string | undefined>>} attributes
 */
export function setAttributes(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) target.removeAttribute(name);
    else if (target.getAttribute(name) !== value) target.setAttribute(name, value);
  }
}

/** What was made for each key of a parent. @type {WeakMap<Element, Map<string, { node: Element, signature: string }>>} */
const made = new WeakMap();

/**
 * Brings the children of an element to what a list says. What has not changed stays as it is, with its focus, selection and scroll position.
 *
 * @template Item
 * @param {Element} parent whose children are all made here
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf different for each item
 * @param {(item: Item) => string} signatureOf differs when the item has to be drawn anew
 * @param {(item: Item, before: Element | undefined) => Element} draw what was there is given, and may be changed and given back
 */
export function reconcile(parent, items, keyOf, signatureOf, draw) {
  const before = made.get(parent) ?? new Map();
  /** @type {Map<string, { node: Element, signature: string }>} */
  const after = new Map();
  /** @type {Element | null} */
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const signature = signatureOf(item);
    const old = before.get(key);
    const node = old?.signature === signature ? old.node : draw(item, old?.node);
    if (old && old.node !== node) {
      if (next === old.node) next = old.node.nextElementSibling;
      old.node.remove();
    }
    after.set(key, { node, signature });
    if (node === next) next = node.nextElementSibling;
    else parent.insertBefore(node, next);
  }
  for (const [key, { node }] of before) if (!after.has(key)) node.remove();
  made.set(parent, after);
}

/** What an element that has an age was drawn from, its age apart. @type {WeakMap<Element, string>} */
const drawnFrom = new WeakMap();

/**
 * Draws something; where only time has passed since, only the time is written, since somebody may be copying the rest.
 *
 * @param {Element | undefined} before
 * @param {string} signature of all but the age
 * @param {string} age
 * @param {(age: Element) => Element} draw is given the element of the age, to be put somewhere
 * @returns {Element}
 */
export function aging(before, signature, age, draw) {
  const same = before && drawnFrom.get(before) === signature ? before : undefined;
  const ageElement = same?.querySelector('.age') ?? element('span', { class: 'quiet age' });
  setText(ageElement, age);
  const drawn = same ?? draw(ageElement);
  drawnFrom.set(drawn, signature);
  return drawn;
}

/**
 * Brings a table's cells to texts; of a cell that stays the same nothing is touched.
 *
 * @param {HTMLTableRowElement} row
 * @param {readonly Cell[]} cells
 */
export function setCells(row, cells) {
  for (const [index, { text, kind, title, isHeader }] of cells.entries()) {
    const tag = isHeader ? 'th' : 'td';
    let cell = row.children[index];
    if (!cell) {
      cell = element(tag, isHeader ? { scope: 'row' } : {});
      row.append(cell);
    }
    setText(cell, text);
    setAttributes(cell, { class: kind, title });
  }
  while (row.children.length > cells.length) row.lastElementChild?.remove();
}

/**
 * One cell: its text, a class for how it looks, and what is said of it besides.
 *
 * @typedef {{ text: string, kind?: string | undefined, title?: string | undefined, isHeader?: boolean }} Cell
 */

/**
 * An empty table with a head.
 *
 * @param {string} caption what it is a table of, for who does not see where it stands
 * @param {readonly (readonly [text: string, kind?: string])[]} columns
 * @returns {HTMLTableElement}
 */
export function tableOf(caption, columns) {
  const head = columns.map(([text, kind]) => element('th', { scope: 'col', ...(kind && { class: kind }) }, text));
  return element(
    'table',
    {},
    element('caption', { class: 'unseen' }, caption),
    element('thead', {}, element('tr', {}, ...head)),
  );
}
