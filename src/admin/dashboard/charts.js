/** @import { TrendPoint } from '../agent-event.ts' */
/** @import { Frame } from './plot.js' */
import { byId, drawing, element, scrollerOf, tableOf } from './dom.js';
import { connectionRuns, decades, inRows, inWords, lines, niceTop } from './plot.js';
import { count, latency, shortTime, span } from './words.js';

/** The time shown: as far as the agent goes back, within these. */
const spanMinMs = 600_000;
const spanMaxMs = 3_600_000;
/** Times between two marks of the axis. */
const stepsMs = [120_000, 300_000, 600_000, 1_200_000];
/** Room for a time of day, in pixels. */
const timeWidth = 54;
/** As the agent takes them, in ms. */
const everyMs = 10_000;
const left = 46;
const right = 8;
const plotHeight = 84;
const bandHeight = 18;
const axisHeight = 16;

/** The last hour in pictures, each with its words. */
export class Charts {
  /** @type {readonly TrendPoint[]} */ #points = [];
  #width = 0;

  constructor() {
    new ResizeObserver(() => this.#fit()).observe(byId('charts'));
    byId('trend-table').addEventListener('toggle', () => this.#drawTable());
  }

  /** @param {readonly TrendPoint[]} points oldest first */
  show(points) {
    this.#points = points;
    this.#draw();
  }

  #fit() {
    if (Math.abs(byId('charts').clientWidth - this.#width) >= 1) this.#draw();
  }

  #draw() {
    const parent = byId('charts');
    this.#width = parent.clientWidth;
    if (this.#width === 0) return;
    const words = inWords(this.#points, everyMs);
    parent.replaceChildren(this.#connection(words.connection), this.#latency(words.latency), this.#age(words.age));
    this.#drawTable();
  }

  /** @param {string} words */
  #connection(words) {
    const { x } = this.#frame(value => value);
    const bars = connectionRuns(this.#points, everyMs).map(({ isConnected, fromWallMs, toWallMs }) => {
      const from = Math.max(x(fromWallMs), left);
      return drawing('rect', {
        class: isConnected ? 'connected' : 'away',
        x: from,
        y: isConnected ? 5 : 1,
        width: Math.max(1, x(toWallMs) - from),
        height: bandHeight - (isConnected ? 10 : 2),
      });
    });
    return this.#figure(
      'Connection to the control plane',
      words,
      bandHeight,
      [
        drawing('rect', { class: 'ground', x: left, y: 5, width: this.#width - left - right, height: bandHeight - 10 }),
        ...bars,
      ],
      [],
    );
  }

  /** @param {string} words */
  #latency(words) {
    const values = this.#points.flatMap(point => [point.propagationP50Ms ?? [], point.propagationP99Ms ?? []].flat());
    const [bottom, top] = decades(values);
    const height = Math.log10(top / bottom);
    const frame = this.#frame(
      value => plotHeight - (Math.log10(Math.max(value, bottom) / bottom) / height) * (plotHeight - 8),
    );
    const marks = [];
    for (let mark = bottom; mark <= top * 1.01; mark *= 10) marks.push({ y: frame.y(mark), text: latency(mark) });
    const p50 = this.#line('p50', frame, point => point.propagationP50Ms);
    const p99 = this.#line('p99', frame, point => point.propagationP99Ms);
    const legend = [element('span', { class: 'swatch p99' }), 'p99 ', element('span', { class: 'swatch p50' }), 'p50'];
    return this.#figure(
      'Propagation: received to written to a client',
      words,
      plotHeight,
      [...p50, ...p99],
      marks,
      legend,
    );
  }

  /** @param {string} words */
  #age(words) {
    const top = niceTop(Math.max(0, ...this.#points.map(point => point.oldestAgeMs ?? 0)));
    const frame = this.#frame(value => plotHeight - (value / top) * (plotHeight - 8));
    const marks = [0, top / 2, top].map(value => ({ y: frame.y(value), text: span(value) }));
    return this.#figure(
      'Age of the oldest type',
      words,
      plotHeight,
      this.#line('age', frame, point => point.oldestAgeMs),
      marks,
    );
  }

  #window() {
    const endMs = this.#points.at(-1)?.wallMs ?? Date.now();
    const firstMs = this.#points[0]?.wallMs ?? endMs;
    return { endMs, spanMs: Math.min(spanMaxMs, Math.max(spanMinMs, endMs - firstMs)) };
  }

  /** @param {(value: number) => number} y @returns {Frame} */
  #frame(y) {
    const { endMs, spanMs } = this.#window();
    return { x: wallMs => left + ((wallMs - endMs + spanMs) / spanMs) * (this.#width - left - right), y };
  }

  /**
   * @param {string} kind
   * @param {Frame} frame
   * @param {(point: TrendPoint) => number | undefined} read
   */
  #line(kind, frame, read) {
    const samples = this.#points.map(point => /** @type {const} */ ([point.wallMs, read(point)]));
    const { path, dots } = lines(samples, frame, everyMs * 3.5);
    return [
      drawing('path', { class: `line ${kind}`, d: path }),
      ...dots.map(([cx, cy]) => drawing('circle', { class: `dot ${kind}`, cx, cy, r: 2 })),
    ];
  }

  /**
   * @param {string} title
   * @param {string} words
   * @param {number} height
   * @param {readonly SVGElement[]} shapes
   * @param {readonly { y: number, text: string }[]} marks of the upright axis
   * @param {readonly (Node | string)[]} [legend]
   */
  #figure(title, words, height, shapes, marks, legend = []) {
    const grid = marks.flatMap(({ y, text }) => [
      drawing('line', { class: 'grid', x1: left, x2: this.#width - right, y1: y, y2: y }),
      drawing('text', { x: left - 5, y: y + 3.5, 'text-anchor': 'end' }, text),
    ]);
    const { x } = this.#frame(value => value);
    const { endMs, spanMs } = this.#window();
    const most = (this.#width - left - right) / timeWidth;
    const stepMs = stepsMs.find(step => spanMs / step <= most) ?? spanMaxMs / 2;
    const times = [];
    for (let at = Math.ceil((endMs - spanMs) / stepMs) * stepMs; at <= endMs; at += stepMs) {
      // Beside the lowest mark of the upright axis there is no room.
      if (x(at) < left + timeWidth / 3) continue;
      const anchor = x(at) > this.#width - 24 ? 'end' : 'middle';
      times.push(
        drawing('line', { class: 'grid', x1: x(at), x2: x(at), y1: height, y2: height + 3 }),
        drawing('text', { x: x(at), y: height + 14, 'text-anchor': anchor }, shortTime(at)),
      );
    }
    // The words beside it say all that matters; a drawing's parts would be read one by one.
    const picture = drawing(
      'svg',
      { width: this.#width, height: height + axisHeight, 'aria-hidden': 'true', focusable: 'false' },
      ...grid,
      ...times,
      ...shapes,
    );
    const head = element(
      'span',
      { class: 'title' },
      element('b', {}, title),
      ...(legend.length > 0 ? [element('span', { class: 'legend', 'aria-hidden': 'true' }, ...legend)] : []),
    );
    return element('figure', {}, element('figcaption', {}, head, element('span', { class: 'quiet' }, words)), picture);
  }

  #drawTable() {
    const details = byId('trend-table', HTMLDetailsElement);
    if (!details.open) return;
    const table = tableOf('The last hour, five minutes a row', [
      ['From'],
      ['News sent', 'number'],
      ['Propagation, p99', 'number'],
      ['Oldest age', 'number'],
      ['Away', 'number'],
    ]);
    const body = table.createTBody();
    for (const { fromWallMs, updates, p99Ms, oldestAgeMs, awayMs } of inRows(this.#points, everyMs)) {
      const cells = [
        count(updates),
        p99Ms === undefined ? '–' : latency(p99Ms),
        oldestAgeMs === undefined ? '–' : span(oldestAgeMs),
        awayMs === 0 ? '–' : span(awayMs),
      ];
      body.append(
        element(
          'tr',
          {},
          element('th', { scope: 'row' }, shortTime(fromWallMs)),
          ...cells.map(text => element('td', { class: 'number' }, text)),
        ),
      );
    }
    scrollerOf('trend').replaceChildren(table);
  }
}
