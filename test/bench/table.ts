import type { LabRow } from './lab.ts';
import type { BenchCase, Row, RunFigures, Subject } from './plan.ts';
import { fittedSlope, type Spread, spreadOf } from './statistics.ts';

// Rows of figures as text: the same cells on the terminal and in the document.

/** Lines of cells; the first line is the heading. */
export type Table = readonly (readonly string[])[];

const nothing = '–';

/** A number with three digits that mean something. */
export function short(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** Median and, when there was more than one run, least and greatest. */
export function cell(spread: Spread | undefined): string {
  if (spread === undefined) return nothing;
  const { median, min, max } = spread;
  return min === max ? short(median) : `${short(median)} (${short(min)}–${short(max)})`;
}

/** What a row is called. */
export const subjectNames: Readonly<Record<Subject, string>> = {
  direct: 'direct',
  relay: 'byte relay',
  weir: 'Weir',
  'weir-socket': 'Weir, socket',
  'weir-delta': 'Weir, Delta upstream',
  'pilot-agent': 'pilot-agent',
};

function caseCells({ variant, resources, clients, changed }: BenchCase): readonly string[] {
  return [variant, String(resources), String(changed), String(clients)];
}

/** Figures of the own harness. */
export function figureTable(rows: readonly Row[]): Table {
  const heading = [
    ...['clients speak', 'resources', 'changed', 'clients', 'through', 'first sync ms', 'p50 ms', 'p99 ms', 'updates'],
    ...[
      'streams',
      'sync MB',
      'update kB',
      'control plane ms/update',
      'agent ms/update',
      'RSS MiB',
      'own MiB',
      'peak RSS MiB',
    ],
  ];
  return [
    heading,
    ...rows.map(({ benchCase, subject, runs }) => {
      const of = (figure: (run: RunFigures) => number | undefined): string => cell(spreadOf(runs.map(figure)));
      const middle = (figure: (run: RunFigures) => number | undefined): string => {
        const spread = spreadOf(runs.map(figure));
        return spread === undefined ? nothing : short(spread.median);
      };
      return [
        ...caseCells(benchCase),
        subjectNames[subject],
        of(run => run.firstSyncMs),
        of(run => run.propagationP50Ms),
        of(run => run.propagationP99Ms),
        middle(run => run.updates).replace(/\.0+$/, ''),
        middle(run => run.streams).replace(/\.0+$/, ''),
        middle(run => run.syncBytes / 1e6),
        middle(run => run.updateBytes / 1e3),
        middle(run => run.controlPlaneUpdateCpuMs),
        of(run => run.agent?.updateCpuMs),
        middle(run => run.agent?.rssMiB),
        middle(run => run.agent?.ownMiB),
        middle(run => run.agent?.peakRssMiB),
      ];
    }),
  ];
}

/** Figures of the lab. */
export function labTable(rows: readonly LabRow[]): Table {
  const heading = [
    ...[
      'clients speak',
      'resources',
      'changed',
      'clients',
      'through',
      'first sync ms',
      'p50 ms',
      'p99 ms',
      'streams',
      'sync MB',
    ],
    ...['update kB', 'control plane ms/update', 'agent ms/update', 'RSS MiB'],
  ];
  return [
    heading,
    ...rows.map(({ benchCase, subject, runs, failures }) => [
      ...caseCells(benchCase),
      runs.length === 0 ? `${subjectNames[subject]}: ${failures[0] ?? 'not run'}` : subjectNames[subject],
      cell(spreadOf(runs.map(run => run.firstSyncMs))),
      cell(spreadOf(runs.map(run => run.propagationP50Ms))),
      cell(spreadOf(runs.map(run => run.propagationP99Ms))),
      cell(spreadOf(runs.map(run => run.streams))).replaceAll('.00', ''),
      cell(spreadOf(runs.map(run => run.syncBytes / 1e6))),
      cell(spreadOf(runs.map(run => run.updateBytes / 1e3))),
      cell(spreadOf(runs.map(run => run.controlPlaneUpdateCpuMs))),
      cell(spreadOf(runs.map(run => run.agentUpdateCpuMs))),
      cell(spreadOf(runs.map(run => run.agentRssMiB))),
    ]),
  ];
}

/** How figures grow with a size: the exponent of the power that fits best, 0 for what does not grow, 1 for what grows as the size does. */
export function growthTable(rows: readonly Row[]): Table {
  const lines = new Map<
    string,
    { readonly cells: readonly string[]; readonly points: (readonly [number, RunFigures])[] }
  >();
  const add = (cells: readonly string[], size: number, run: RunFigures): void => {
    const line = lines.get(cells.join()) ?? { cells, points: [] };
    lines.set(cells.join(), line);
    line.points.push([size, run]);
  };
  for (const { benchCase, subject, runs } of rows) {
    const { variant, resources, clients, changed } = benchCase;
    for (const run of runs) {
      const name = subjectNames[subject];
      add([variant, name, 'resources', `${changed} changed, ${clients} clients`], resources, run);
      add([variant, name, 'clients', `${changed} of ${resources} changed`], clients, run);
      add([variant, name, 'changed', `${clients} clients, ${resources} resources`], changed, run);
    }
  }
  const table = [...lines.values()].flatMap(({ cells, points }) => {
    const sizes = [...new Set(points.map(([size]) => size))].toSorted((a, b) => a - b);
    if (sizes.length < 2) return [];
    const exponent = (of: (run: RunFigures) => number | undefined): string => {
      const fitted = sizes.flatMap(size => {
        const median = spreadOf(points.flatMap(([one, run]) => (one === size ? [of(run)] : [])))?.median;
        return median === undefined || median <= 0 ? [] : [[Math.log(size), Math.log(median)] as const];
      });
      return fitted.length < 2 ? nothing : fittedSlope(fitted).toFixed(2);
    };
    return [
      [
        ...[...cells, sizes.join(', ')],
        ...[exponent(run => run.propagationP50Ms), exponent(run => run.agent?.updateCpuMs)],
        ...[exponent(run => run.controlPlaneUpdateCpuMs), exponent(run => run.firstSyncMs)],
        exponent(run => run.agent?.ownMiB),
      ],
    ];
  });
  const heading = ['clients speak', 'through', 'grows with', 'while', 'sizes'];
  return [[...heading, 'p50', 'agent CPU an update', 'control plane CPU', 'first sync', 'own memory'], ...table];
}

/** A table for a terminal, columns aligned. */
export function textOf(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map(line => line[column]?.length ?? 0)));
  const lines = table.map(line =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** A table for Markdown. */
export function markdownOf(table: Table): string {
  const [heading = [], ...lines] = table;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heading), `|${heading.map(() => '---').join('|')}|`, ...lines.map(line)].join('\n');
}
