import type { LabFigures, LabRow } from './lab.ts';
import type { BenchCase, Row, RunFigures, Subject } from './plan.ts';
import { type Spread, spreadOf } from './statistics.ts';
import { short } from './table.ts';

// The targets of the design, section 3, and what was measured for each.

/** One line of the comparison. */
export interface Verdict {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  /** `met`, `missed by …`, or why there is no figure. */
  readonly verdict: string;
}

/** All that was measured. */
export interface Measured {
  readonly rows: readonly Row[];
  readonly lab: readonly LabRow[];
}

const notMeasured = 'not measured by this run';

function verdictOf(value: number, limit: number): string {
  if (value <= limit) return 'met';
  const percent = (value / limit - 1) * 100;
  return `missed by ${percent.toFixed(percent < 2 ? 1 : 0)} %`;
}

/** A figure against an upper limit. */
function atMost(what: string, unit: string, limit: number, spread: Spread | undefined): Verdict {
  const target = `≤ ${limit}${unit}`;
  if (spread === undefined) return { what, target, measured: '–', verdict: notMeasured };
  const { median, min, max } = spread;
  const range = min === max ? '' : ` (${short(min)}–${short(max)})`;
  return { what, target, measured: `${short(median)}${unit}${range}`, verdict: verdictOf(median, limit) };
}

/** Says both figures, where the verdict is by that of the lab. */
function withBoth(verdict: Verdict, own: Spread | undefined, inLab: Spread | undefined): Verdict {
  if (inLab === undefined || own === undefined) return verdict;
  return { ...verdict, measured: `${verdict.measured} in the lab; ${short(own.median)}x in the own harness` };
}

interface AnyRow<Figures> {
  readonly benchCase: BenchCase;
  readonly subject: Subject;
  readonly runs: readonly Figures[];
}

/** The runs of a subject in a case, none where it was not measured. */
export function runsOf<Figures>(
  rows: readonly AnyRow<Figures>[],
  wanted: BenchCase,
  subject: Subject,
): readonly Figures[] {
  const isWanted = ({ variant, resources, clients, changed }: BenchCase): boolean =>
    variant === wanted.variant &&
    resources === wanted.resources &&
    clients === wanted.clients &&
    changed === wanted.changed;
  return rows.find(row => row.subject === subject && isWanted(row.benchCase))?.runs ?? [];
}

/** Ratios of two subjects, each taken inside one repetition: what disturbs the machine disturbs both. */
export function ratios<Figures>(
  rows: readonly AnyRow<Figures>[],
  wanted: BenchCase,
  [above, below]: readonly [Subject, Subject],
  figure: (figures: Figures) => number | undefined,
): Spread | undefined {
  const [upper, lower] = [runsOf(rows, wanted, above), runsOf(rows, wanted, below)];
  if (upper.length !== lower.length) {
    // A run failed, so it is not known any more which ran beside which.
    const [value, base] = [spreadOf(upper.map(figure)), spreadOf(lower.map(figure))];
    return value && base && spreadOf([value.median / base.median]);
  }
  return spreadOf(
    upper.map((run, repetition) => {
      const other = lower[repetition];
      const [value, base] = [figure(run), other && figure(other)];
      return value === undefined || base === undefined ? undefined : value / base;
    }),
  );
}

function casesIn(rows: readonly Row[], isMeant: (benchCase: BenchCase) => boolean): readonly BenchCase[] {
  return rows.filter(row => row.subject === 'direct' && isMeant(row.benchCase)).map(row => row.benchCase);
}

const count = (many: number): string => many.toLocaleString('en-US');
const titleOf = ({ resources, clients, changed }: BenchCase): string =>
  `${count(clients)} client${clients === 1 ? '' : 's'}, ${count(changed)} of ${count(resources)}`;

/** A figure through Weir against that of one client straight at the control plane. */
function toOneClient<Figures>(
  rows: readonly AnyRow<Figures>[],
  benchCase: BenchCase,
  figure: (run: Figures) => number | undefined,
): Spread | undefined {
  const above = spreadOf(runsOf(rows, benchCase, 'weir').map(figure));
  const below = spreadOf(runsOf(rows, { ...benchCase, clients: 1 }, 'direct').map(figure));
  if (above === undefined || below === undefined) return undefined;
  return { median: above.median / below.median, min: above.min / below.max, max: above.max / below.min };
}

/** The control plane's work with Weir in between. Its processor time is judged by the lab where it ran, whose control plane works for every stream. */
function loadTargets({ rows, lab }: Measured): readonly Verdict[] {
  return casesIn(rows, ({ variant }) => variant === 'delta').flatMap(benchCase => {
    const title = `delta, ${titleOf(benchCase)}: control plane`;
    const unit = 'x one direct client';
    const bytes = toOneClient(rows, benchCase, run => run.syncBytes + run.updates * run.updateBytes);
    const own = toOneClient(rows, benchCase, run => run.controlPlaneUpdateCpuMs);
    const inLab = toOneClient(lab, benchCase, run => run.controlPlaneUpdateCpuMs);
    return [
      atMost(`${title}, streams`, '', 1, spreadOf(runsOf(rows, benchCase, 'weir').map(run => run.streams))),
      atMost(`${title}, bytes, all`, unit, 1.1, bytes),
      withBoth(atMost(`${title}, CPU per update`, unit, 1.15, inLab ?? own), own, inLab),
    ];
  });
}

function relayTargets({ rows, lab }: Measured): readonly Verdict[] {
  return casesIn(rows, ({ variant, clients }) => variant === 'delta' && clients === 1).map(benchCase => {
    const own = ratios(rows, benchCase, ['weir', 'relay'], run => run.propagationP50Ms);
    const inLab = ratios(lab, benchCase, ['weir', 'relay'], run => run.propagationP50Ms);
    return withBoth(atMost(`delta, ${titleOf(benchCase)}: p50`, 'x the byte relay', 1.15, inLab ?? own), own, inLab);
  });
}

/** An update costs what it changes, not what there is. */
function growthTargets(rows: readonly Row[]): readonly Verdict[] {
  const large = casesIn(
    rows,
    ({ variant, clients, resources }) => variant === 'delta' && clients === 1 && resources === 100_000,
  );
  return large.map(benchCase => {
    const small = { ...benchCase, resources: 1000 };
    const [above, below] = [benchCase, small].map(one =>
      spreadOf(runsOf(rows, one, 'weir').map(run => run.propagationP50Ms)),
    );
    const ratio = above && below && above.median / below.median;
    return atMost(`delta, ${titleOf(benchCase)}: p50`, `x of ${titleOf(small)}`, 1.5, spreadOf([ratio]));
  });
}

/** The same work done by one pilot-agent for each client. */
function pilotAgentTargets(rows: readonly Row[]): readonly Verdict[] {
  const cases = casesIn(rows, ({ variant, clients }) => variant === 'delta' && clients >= 4);
  return cases.flatMap(benchCase => {
    const ratio = ratios(rows, benchCase, ['weir', 'pilot-agent'], run => run.agent?.updateCpuMs);
    const what = `delta, ${titleOf(benchCase)}: CPU of an update, all clients`;
    return ratio === undefined ? [] : [atMost(what, 'x pilot-agents', 1, ratio)];
  });
}

/** Targets against direct. The lab's control plane works for every stream, as real ones do; it is the measure if it ran. */
function directTargets({ rows, lab }: Measured): readonly Verdict[] {
  const against = (benchCase: BenchCase, subject: Subject, p50: number, p99: number | undefined): Verdict[] => {
    const title = `${benchCase.variant}, ${titleOf(benchCase)}`;
    const pair = [subject, 'direct'] as const;
    const line = (name: string, limit: number, figure: (run: RunFigures | LabFigures) => number): Verdict => {
      const own = ratios(rows, benchCase, pair, figure);
      const inLab = ratios(lab, benchCase, pair, figure);
      const verdict = atMost(`${title}: ${name}`, 'x direct', limit, inLab ?? own);
      return withBoth(verdict, own, inLab);
    };
    const lines = [line('p50', p50, run => run.propagationP50Ms)];
    if (p99 !== undefined) lines.push(line('p99', p99, run => run.propagationP99Ms));
    return lines;
  };
  const delta = (isMeant: (benchCase: BenchCase) => boolean) =>
    casesIn(rows, benchCase => benchCase.variant === 'delta' && isMeant(benchCase));
  return [
    ...delta(({ clients, resources }) => clients === 10 && resources === 10_000).flatMap(one =>
      against(one, 'weir', 0.8, 0.6),
    ),
    ...delta(({ clients }) => clients >= 50).flatMap(one => against(one, 'weir', 0.5, 0.5)),
    ...casesIn(rows, ({ variant, resources }) => variant === 'sotw' && resources === 10_000).flatMap(one =>
      against(one, 'weir-delta', 1, undefined),
    ),
  ];
}

/** With SotW clients and Delta upstream the control plane sends what changed, as it does to one Delta client. */
function sotwBytesTarget(rows: readonly Row[]): readonly Verdict[] {
  return casesIn(rows, ({ variant, resources }) => variant === 'sotw' && resources === 10_000).map(benchCase => {
    const one = spreadOf(
      runsOf(rows, { ...benchCase, variant: 'delta', clients: 1 }, 'direct').map(run => run.updateBytes),
    );
    const through = spreadOf(runsOf(rows, benchCase, 'weir-delta').map(run => run.updateBytes));
    const ratio = one && through && through.median / one.median;
    return atMost(
      `sotw, ${titleOf(benchCase)}: bytes of an update from the control plane`,
      'x one direct Delta client',
      1.1,
      spreadOf([ratio]),
    );
  });
}

function memoryTargets(rows: readonly Row[]): readonly Verdict[] {
  const weir = rows.filter(row => row.subject === 'weir');
  const all = weir.flatMap(row => row.runs);
  // Whatever an update changes, what is held is the same.
  const held = (resources: number) =>
    weir
      .filter(({ benchCase: one }) => one.variant === 'delta' && one.clients === 1 && one.resources === resources)
      .flatMap(row => row.runs);
  const of = (runs: readonly RunFigures[], figure: (run: RunFigures) => number | undefined) =>
    spreadOf(runs.map(figure));
  return [
    atMost(
      'start: exec until it listens',
      ' ms',
      120,
      of(all, run => run.agent?.startMs),
    ),
    atMost(
      'memory, idle: own (RssAnon)',
      ' MiB',
      30,
      of(all, run => run.agent?.idleOwnMiB),
    ),
    atMost(
      'memory, idle: RSS',
      ' MiB',
      75,
      of(all, run => run.agent?.idleRssMiB),
    ),
    atMost(
      'memory, 1,000 resources, 1 Delta client: own',
      ' MiB',
      36,
      of(held(1000), run => run.agent?.ownMiB),
    ),
    atMost(
      'memory, 1,000 resources, 1 Delta client: RSS',
      ' MiB',
      85,
      of(held(1000), run => run.agent?.rssMiB),
    ),
    atMost(
      'memory, 10,000 resources, 1 Delta client: own',
      ' MiB',
      60,
      of(held(10_000), run => run.agent?.ownMiB),
    ),
    atMost(
      'memory, 10,000 resources, 1 Delta client: RSS',
      ' MiB',
      110,
      of(held(10_000), run => run.agent?.rssMiB),
    ),
    atMost(
      'memory, 10,000 resources, 1 Delta client: highest RSS',
      'x settled',
      1.6,
      of(held(10_000), run => run.agent?.peakRssMiB && run.agent.peakRssMiB / (run.agent.rssMiB ?? Number.NaN)),
    ),
  ];
}

/** Compares what was measured with the targets of the design. */
export function verdictsOf(measured: Measured): readonly Verdict[] {
  return [
    ...loadTargets(measured),
    ...relayTargets(measured),
    ...growthTargets(measured.rows),
    ...directTargets(measured),
    ...sotwBytesTarget(measured.rows),
    ...pilotAgentTargets(measured.rows),
    ...memoryTargets(measured.rows),
  ];
}
