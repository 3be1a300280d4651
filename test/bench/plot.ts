import type { BenchCase, Row, Subject } from './plan.ts';
import { spreadOf } from './statistics.ts';
import { short, subjectNames } from './table.ts';

// The figures as SVG, written by hand: one panel for each variant and size, propagation by number of clients, both scales
// logarithmic. Its colours follow the reader's light or dark setting by a style sheet; there is no script in it.

const panelWidth = 400;
const panelHeight = 260;
const inner = { left: 58, right: 24, top: 40, bottom: 46 };
const legendHeight = 34;

const subjects: readonly Subject[] = ['direct', 'relay', 'weir', 'weir-socket', 'weir-delta', 'pilot-agent'];
const shapes: Readonly<Record<Subject, string>> = {
  direct: 'a',
  relay: 'b',
  weir: 'c',
  'weir-socket': 'e',
  'weir-delta': 'd',
  'pilot-agent': 'f',
};

/** Colours of a plot, which follow the reader's setting. */
export const plotStyle = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .small { font-size: 11px }
  .grid { stroke: #d0d7de }
  .line { fill: none; stroke-width: 2 }
  .back { fill: #ffffff }
  .line.a { stroke: #57606a } .line.b { stroke: #9a6700; stroke-dasharray: 2 3 } .line.c { stroke: #0969da } .line.d { stroke: #1a7f37; stroke-dasharray: 7 3 }
  .line.e { stroke: #8250df; stroke-dasharray: 4 2 } .line.f { stroke: #bf3989; stroke-dasharray: 1 3 }
  circle.a { fill: #57606a } circle.b { fill: #9a6700 } circle.c { fill: #0969da } circle.d { fill: #1a7f37 }
  circle.e { fill: #8250df } circle.f { fill: #bf3989 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .grid { stroke: #30363d } .back { fill: #0d1117 }
    .line.a { stroke: #9ea7b3 } .line.b { stroke: #d29922 } .line.c { stroke: #58a6ff } .line.d { stroke: #3fb950 }
    circle.a { fill: #9ea7b3 } circle.b { fill: #d29922 } circle.c { fill: #58a6ff } circle.d { fill: #3fb950 }
    .line.e { stroke: #bc8cff } .line.f { stroke: #f778ba } circle.e { fill: #bc8cff } circle.f { fill: #f778ba }
  }
`;

interface Scale {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

function logScale(from: number, to: number, start: number, end: number, ticks: readonly number[]): Scale {
  const span = Math.log(to) - Math.log(from);
  const at = (value: number): number =>
    span === 0 ? (start + end) / 2 : start + ((Math.log(value) - Math.log(from)) / span) * (end - start);
  return { ticks, at };
}

function decades(least: number, greatest: number): readonly number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(greatest)); power += 1) {
    ticks.push(10 ** power);
  }
  return ticks;
}

const number = (value: number): string => value.toFixed(1);

function panel(rows: readonly Row[], title: string, ticks: readonly number[]): string {
  const clients = [...new Set(rows.map(row => row.benchCase.clients))].toSorted((a, b) => a - b);
  const [right, bottom] = [panelWidth - inner.right, panelHeight - inner.bottom];
  const x = logScale(clients[0] ?? 1, clients.at(-1) ?? 1, inner.left + 12, right - 12, clients);
  const y = logScale(ticks[0] ?? 1, ticks.at(-1) ?? 10, bottom, inner.top, ticks);
  const parts = [`<text class="title" x="${inner.left}" y="22">${title}</text>`];
  for (const tick of y.ticks) {
    const at = number(y.at(tick));
    parts.push(`<line class="grid" x1="${inner.left}" x2="${right}" y1="${at}" y2="${at}"/>`);
    parts.push(
      `<text class="small" x="${inner.left - 8}" y="${number(y.at(tick) + 4)}" text-anchor="end">${tick}</text>`,
    );
  }
  for (const tick of x.ticks) {
    parts.push(`<text class="small" x="${number(x.at(tick))}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`);
  }
  parts.push(
    `<text class="small" x="${(inner.left + right) / 2}" y="${bottom + 36}" text-anchor="middle">clients</text>`,
    `<text class="small" transform="translate(14 ${(inner.top + bottom) / 2}) rotate(-90)" text-anchor="middle">p50 in ms</text>`,
  );
  for (const subject of subjects) {
    const points = rows
      .filter(row => row.subject === subject)
      .toSorted((a, b) => a.benchCase.clients - b.benchCase.clients)
      .flatMap(row => {
        const spread = spreadOf(row.runs.map(run => run.propagationP50Ms));
        return spread === undefined ? [] : [{ many: row.benchCase.clients, value: spread.median }];
      });
    const line = points.map(({ many, value }) => `${number(x.at(many))},${number(y.at(value))}`).join(' ');
    if (line !== '') parts.push(`<polyline class="line ${shapes[subject]}" points="${line}"/>`);
    for (const { many, value } of points) {
      const place = `cx="${number(x.at(many))}" cy="${number(y.at(value))}"`;
      const label = `${subjectNames[subject]}, ${many} clients: ${short(value)} ms`;
      parts.push(`<circle class="${shapes[subject]}" ${place} r="3.5"><title>${label}</title></circle>`);
    }
  }
  return parts.join('\n');
}

function legend(): string {
  return subjects
    .map((subject, index) => {
      const left = inner.left + index * 130;
      const line = `<line class="line ${shapes[subject]}" x1="${left}" x2="${left + 28}" y1="18" y2="18"/>`;
      return `${line}\n<text x="${left + 36}" y="22">${subjectNames[subject]}</text>`;
    })
    .join('\n');
}

/** A plot of the medians of propagation p50. @returns an SVG document, '' when there is nothing to show */
export function plotOf(rows: readonly Row[]): string {
  const values = rows.flatMap(row => spreadOf(row.runs.map(run => run.propagationP50Ms))?.median ?? []);
  if (values.length === 0) return '';
  // All panels have one scale, so that they can be compared.
  const ticks = decades(Math.min(...values), Math.max(...values));
  const keyOf = ({ variant, resources, changed }: BenchCase): string =>
    `${variant === 'delta' ? 'Delta' : 'SotW'} clients, ${changed} of ${resources.toLocaleString('en-US')} changed`;
  const titles = [...new Set(rows.map(row => keyOf(row.benchCase)))];
  const columns = Math.min(2, titles.length);
  const [width, height] = [columns * panelWidth, legendHeight + Math.ceil(titles.length / columns) * panelHeight];
  const panels = titles.map((title, index) => {
    const place = `${(index % columns) * panelWidth} ${legendHeight + Math.floor(index / columns) * panelHeight}`;
    const meant = rows.filter(row => keyOf(row.benchCase) === title);
    return `<g transform="translate(${place})">\n${panel(meant, title, ticks)}\n</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>Propagation of an update, median, by number of clients</title>
<style>${plotStyle}</style>
<rect class="back" width="${width}" height="${height}"/>
${legend()}
${panels.join('\n')}
</svg>
`;
}
