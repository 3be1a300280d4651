import type { LabRow } from './lab.ts';
import type { BenchCase, Row, RunFigures, Subject } from './plan.ts';
import { type Spread, spreadOf } from './statistics.ts';

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
  'weir-delta': 'Weir, Delta upstream',
};

function caseCells({ variant, resources, clients }: BenchCase): readonly string[] {
  return [variant, String(resources), String(clients)];
}

/** Figures of the own harness. */
export function figureTable(rows: readonly Row[]): Table {
  const heading = [
    ...['clients speak', 'resources', 'clients', 'through', 'first sync ms', 'p50 ms', 'p99 ms', 'updates'],
    ...['streams', 'sync MB', 'update kB', 'control plane ms/update', 'agent ms/update', 'RSS MiB', 'own MiB'],
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
      ];
    }),
  ];
}

/** Figures of the lab. */
export function labTable(rows: readonly LabRow[]): Table {
  const heading = [
    ...['clients speak', 'resources', 'clients', 'through', 'first sync ms', 'p50 ms', 'p99 ms', 'streams', 'sync MB'],
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
