import type { Variant } from '../../../src/demo/envelopes.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import { type Figure, figures, type Goal, type MeshColumn, type Path, type Server } from './figures.ts';

/** One figure of one source, straight and through Weir. */
export interface Comparison {
  readonly variant: Variant;
  readonly server: Server;
  readonly title: string;
  readonly goal: Goal | undefined;
  readonly direct: Spread | undefined;
  readonly weir: Spread | undefined;
  /** Of each repetition by itself, since what disturbs the machine disturbs both; undefined where a ratio says nothing. */
  readonly ratio: Spread | undefined;
  /** `met`, `missed by …`, or undefined without a goal or a ratio. */
  readonly verdict: string | undefined;
}

/** Compares a ratio with its goal; the median counts. */
export function verdictOf({ way, ratio: wanted }: Goal, { median }: Spread): string {
  if (way === 'at least' ? median >= wanted : median <= wanted) return 'met';
  const percent = Math.abs(median / wanted - 1) * 100;
  return `missed by ${percent.toFixed(percent < 2 ? 1 : 0)} %`;
}

function compare(figure: Figure, variant: Variant, server: Server, columns: readonly MeshColumn[]): Comparison {
  const { title, goal, of, hasRatio } = figure;
  const valuesOf = (path: Path): readonly (number | undefined)[] => {
    const isMeant = ({ subject, variant: one }: MeshColumn) =>
      one === variant && subject.server === server && subject.path === path;
    return columns.find(isMeant)?.runs.map(run => run && of(run)) ?? [];
  };
  const [direct, weir] = [valuesOf('direct'), valuesOf('weir')];
  const ratios = weir.map((value, repetition) => {
    const base = direct[repetition];
    return value === undefined || base === undefined ? undefined : value / base;
  });
  const ratio = hasRatio ? spreadOf(ratios) : undefined;
  const verdict = goal && ratio && verdictOf(goal, ratio);
  return { variant, server, title, goal, direct: spreadOf(direct), weir: spreadOf(weir), ratio, verdict };
}

/** All figures of all columns, in the order of the table. */
export function comparisonsOf(columns: readonly MeshColumn[]): readonly Comparison[] {
  const variants = [...new Set(columns.map(column => column.variant))];
  const servers = [...new Set(columns.map(column => column.subject.server))];
  return variants.flatMap(variant =>
    figures.flatMap(figure => servers.map(server => compare(figure, variant, server, columns))),
  );
}
