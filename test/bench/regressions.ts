import type { BenchCase, Row, RunFigures } from './plan.ts';
import { spreadOf } from './statistics.ts';
import { short } from './table.ts';
import { ratios, runsOf } from './targets.ts';

// Whether something has become much worse than docs/PERFORMANCE.md says. The bounds are generous: they are for a busy machine, and for a mistake, not for
// a few percent.

/** One thing that is looked at. */
interface Bound {
  readonly what: string;
  readonly value: number | undefined;
  readonly max: number;
}

/** Delta clients, in the sizes of the scenario. */
function boundsOf(rows: readonly Row[]): readonly Bound[] {
  const cases = rows.filter(row => row.subject === 'weir').map(row => row.benchCase);
  return cases.filter(({ variant }) => variant === 'delta').flatMap(benchCase => boundsOfCase(rows, benchCase));
}

function boundsOfCase(rows: readonly Row[], benchCase: BenchCase): readonly Bound[] {
  const { clients, resources } = benchCase;
  const title = `${clients} client${clients === 1 ? '' : 's'}, ${resources} resources`;
  const weir = runsOf(rows, benchCase, 'weir');
  const middle = (figure: (run: RunFigures) => number | undefined): number | undefined =>
    spreadOf(weir.map(figure))?.median;
  const beside = (base: 'direct' | 'relay', figure: (run: RunFigures) => number | undefined): number | undefined =>
    ratios(rows, benchCase, ['weir', base], figure)?.median;
  const bytes = beside('direct', run => run.updateBytes);
  return [
    { what: `${title}: p50 in byte relays`, value: beside('relay', run => run.propagationP50Ms), max: 2.5 },
    {
      what: `${title}: CPU of an update in byte relays`,
      value: beside('relay', run => run.agent?.updateCpuMs),
      max: 5,
    },
    { what: `${title}: first sync in byte relays`, value: beside('relay', run => run.firstSyncMs), max: 5 },
    {
      what: `${title}: bytes of an update in those of one direct client`,
      value: bytes === undefined ? undefined : bytes * clients,
      max: 1.1,
    },
    { what: `${title}: own memory, idle, MiB`, value: middle(run => run.agent?.idleOwnMiB), max: 33 },
    { what: `${title}: own memory, MiB`, value: middle(run => run.agent?.ownMiB), max: 45 + clients },
    {
      what: `${title}: highest RSS in what it is in the end`,
      value: middle(run => run.agent?.peakRssMiB && run.agent.peakRssMiB / (run.agent.rssMiB ?? Number.NaN)),
      max: 1.6,
    },
  ];
}

/** What is past its bound, or could not be measured; a line for each. */
export function regressionsIn(rows: readonly Row[]): readonly string[] {
  return boundsOf(rows).flatMap(({ what, value, max }) => {
    if (value === undefined) return [`${what}: not measured`];
    return value <= max ? [] : [`${what}: ${short(value)}, at most ${short(max)} is allowed`];
  });
}
