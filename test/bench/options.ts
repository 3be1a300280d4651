import { parseArgs } from 'node:util';
import type { Variant } from '../../src/demo/envelopes.ts';
import { type BenchCase, casesOf } from './plan.ts';

/** What is measured: the way of an update, in full or whether it is not worse than it was; starts without a control plane; many identities, bad neighbours, onlookers; the return of a control plane, to some or to many; a long time. */
export type Scenario =
  | 'propagation'
  | 'check'
  | 'coldstart'
  | 'identities'
  | 'neighbours'
  | 'observed'
  | 'reconnect'
  | 'soak'
  | 'storm';

/** What the user asked for. */
export interface BenchOptions {
  readonly scenario: Scenario;
  readonly clients: readonly number[];
  readonly resources: readonly number[];
  readonly variants: readonly Variant[];
  readonly repetitions: number;
  readonly updates: number;
  /** What is measured, in the scenarios propagation and check. */
  readonly cases: readonly BenchCase[];
  /** Those that were named one by one, as they were; undefined where sizes were, or nothing. */
  readonly namedCases: readonly string[] | undefined;
  /** They are those of a run without sizes. */
  readonly isUsual: boolean;
  /** Clusters in an update; several in the propagation alone. */
  readonly changed: readonly number[];
  /** Path of Istio's pilot-agent, to be measured beside. */
  readonly pilotAgent: string | undefined;
  /** Soak: how long, and how many updates a second. */
  readonly minutes: number;
  readonly rate: number;
  /** One small case, whose failure is the result. */
  readonly isSmoke: boolean;
  /** The built xdslab, to be run beside. */
  readonly lab: string | undefined;
  readonly output: 'text' | 'json';
  /** Folder for PERFORMANCE.md and performance.svg. */
  readonly out: string | undefined;
}

/** The help text. */
export const benchHelp = `npm run bench -- [OPTIONS]

Measures clients straight at a control plane, through a bare grpc-js byte relay, and through Weir (the bundle, built anew),
in turn, with processes of their own; the figures are medians (least–greatest). Without sizes it measures the cases that have targets, five times each: with
--lab half an hour, without it a quarter.

  --scenario NAME      propagation: the above
                       check: a small part of it, which fails where a ratio has become much worse than it was
                       coldstart: starts from disk while the control plane is away, after SIGTERM and after kill -9, by --lab
                       identities: a stream for each of many nodes, one of which changes all the time
                       neighbours: clients that stand still, reconnect without end, reject everything or send garbage beside many that behave
                       observed: a dashboard that is open while everything is dumped again and again
                       reconnect: the control plane comes back to clients, with and without an agent, by --lab
                       soak: updates at a fixed rate for a long time
                       storm: a hundred agents that come back after an outage, and as many clients without them, by --lab [propagation]
  --case V,C,R,N       one case: variant, clients, resources, changed clusters; may be repeated, in place of the four flags that follow
  --clients N,…        numbers of clients, one in most others [1,10,100; check 1,10; identities 200; observed, reconnect, soak 10; others 100]
  --resources N,…      numbers of clusters, each with its endpoints [1000,10000; coldstart 10000,100000; identities 500; observed,
                       reconnect 10000; others 1000]
  --variants V,…       what the clients speak, delta or sotw; Weir speaks the same upstream, with SotW clients Delta too [delta,sotw; check delta]
  --repetitions N      runs of each, alternating; of coldstart the starts [5; check, reconnect 3; soak, storm 1]
  --updates N          updates in a run, one at a time; fewer, but at least 5, where they take long [40; identities 600; observed 100]
  --changed N,…        clusters in an update, one number in the other scenarios [10; soak 1]
  --minutes N          soak: how long [60]
  --rate N             soak: updates a second [50]
  --smoke              one small case in a few seconds: 2 clients, 200 resources, both variants, 5 updates, once
  --lab PATH           the built xdslab: its bench runs each case too; coldstart, reconnect and storm need it
  --pilot-agent PATH   Istio's pilot-agent, measured beside: one for each client, since it serves one
  -o, --output FORMAT  text or json, on stdout [text]
  --out DIR            also writes DIR/PERFORMANCE.md and DIR/performance.svg; soak: DIR/soak.svg
  -h, --help           this text

Exit code: 0; 1 if a run failed, a client did not end with the newest of everything, or the control plane saw other streams
than Weir should open; 2 for a wrong option.
`;

function countsIn(flag: string, value: string, max: number): readonly number[] {
  return value.split(',').map(part => {
    const count = Number(part);
    if (Number.isInteger(count) && count >= 1 && count <= max) return count;
    throw new Error(`${flag}: ${JSON.stringify(part)} is no whole number from 1 to ${max}`);
  });
}

function variantsIn(value: string): readonly Variant[] {
  return value.split(',').map(part => {
    if (part === 'delta' || part === 'sotw') return part;
    throw new Error(`--variants: ${JSON.stringify(part)} is neither delta nor sotw`);
  });
}

/** The cases that have targets, and what they are compared with. */
const targetCases: readonly string[] = [
  ...['delta,1,1000,1', 'delta,1,100000,1', 'delta,4,1000,1', 'delta,20,1000,1'],
  ...['delta,1,10000,10', 'delta,10,10000,10', 'delta,50,10000,10', 'delta,100,10000,10'],
  ...['sotw,1,10000,10', 'sotw,10,10000,10'],
];

function caseIn(text: string): BenchCase {
  const [variant = '', ...numbers] = text.split(',');
  const [clients = 0, resources = 0, changed = 0] = countsIn('--case', numbers.join(','), 100_000);
  if (numbers.length !== 3 || changed > resources) {
    throw new Error(`--case: ${JSON.stringify(text)} is not VARIANT,CLIENTS,RESOURCES,CHANGED`);
  }
  const [known = 'delta'] = variantsIn(variant);
  return { variant: known, clients, resources, changed };
}

/** What differs between scenarios where the user names nothing. */
const defaults: Readonly<
  Record<Scenario, { readonly [flag in 'clients' | 'resources' | 'repetitions' | 'updates']: string }>
> = {
  propagation: { clients: '1,10,100', resources: '1000,10000', repetitions: '5', updates: '40' },
  identities: { clients: '200', resources: '500', repetitions: '5', updates: '600' },
  neighbours: { clients: '100', resources: '1000', repetitions: '5', updates: '40' },
  observed: { clients: '10', resources: '10000', repetitions: '5', updates: '100' },
  check: { clients: '1,10', resources: '1000', repetitions: '3', updates: '30' },
  coldstart: { clients: '1', resources: '10000,100000', repetitions: '5', updates: '1' },
  reconnect: { clients: '10', resources: '10000', repetitions: '3', updates: '1' },
  soak: { clients: '10', resources: '1000', repetitions: '1', updates: '1' },
  storm: { clients: '100', resources: '1000', repetitions: '1', updates: '1' },
};

const scenarios = [
  'propagation',
  'check',
  'coldstart',
  'identities',
  'neighbours',
  'observed',
  'reconnect',
  'soak',
  'storm',
] as const satisfies readonly Scenario[];

function scenarioIn(value: string): Scenario {
  const scenario = scenarios.find(one => one === value);
  if (scenario) return scenario;
  throw new Error(`--scenario: ${JSON.stringify(value)} is none of ${scenarios.join(', ')}`);
}

/**
 * Reads the command line.
 *
 * @param args without program and script
 * @returns undefined when the user asked for help
 * @throws Error with a text for the user when an option is wrong
 */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', default: 'propagation' },
      clients: { type: 'string' },
      resources: { type: 'string' },
      variants: { type: 'string' },
      repetitions: { type: 'string' },
      updates: { type: 'string' },
      changed: { type: 'string' },
      case: { type: 'string', multiple: true },
      minutes: { type: 'string', default: '60' },
      rate: { type: 'string', default: '50' },
      smoke: { type: 'boolean', default: false },
      lab: { type: 'string' },
      'pilot-agent': { type: 'string' },
      output: { type: 'string', short: 'o', default: 'text' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const one = (flag: string, value: string, max: number): number => {
    const [count, ...more] = countsIn(flag, value, max);
    if (count === undefined || more.length > 0) throw new Error(`${flag}: ${JSON.stringify(value)} is not one number`);
    return count;
  };
  if (values.output !== 'text' && values.output !== 'json') {
    throw new Error(`--output: ${JSON.stringify(values.output)} is neither text nor json`);
  }
  const scenario = scenarioIn(values.scenario);
  const isSmoke = values.smoke;
  const usual = defaults[scenario];
  const given = {
    clients: values.clients ?? usual.clients,
    resources: values.resources ?? usual.resources,
    repetitions: values.repetitions ?? usual.repetitions,
    updates: values.updates ?? usual.updates,
  };
  const variants = values.variants ?? (scenario === 'check' ? 'delta' : 'delta,sotw');
  const resources = isSmoke ? [200] : countsIn('--resources', given.resources, 100_000);
  const changed = countsIn('--changed', values.changed ?? (scenario === 'soak' ? '1' : '10'), 1000);
  if (resources.some(count => changed.every(part => count < part))) {
    throw new Error('--changed is more than there are resources');
  }
  const clients = isSmoke ? [scenario === 'propagation' ? 2 : 8] : countsIn('--clients', given.clients, 1000);
  checkSizes(scenario, { clients, resources, changed });
  const isSized = [values.clients, values.resources, values.variants, values.changed].some(one => one !== undefined);
  if (values.case && isSized)
    throw new Error('--case stands in place of --clients, --resources, --variants and --changed');
  if (values.case && scenario !== 'propagation')
    throw new Error(`--case belongs to the scenario propagation, not to ${scenario}`);
  const isUsual = scenario === 'propagation' && !isSized && !isSmoke;
  const namedCases = values.case ?? (isUsual ? targetCases : undefined);
  const cases = namedCases?.map(caseIn) ?? casesOf({ variants: variantsIn(variants), resources, clients, changed });
  checkFlags(scenario, values);
  return {
    scenario,
    clients,
    resources,
    variants: variantsIn(variants),
    cases,
    namedCases,
    isUsual,
    repetitions: isSmoke ? 1 : one('--repetitions', given.repetitions, 100),
    updates: isSmoke ? 5 : one('--updates', given.updates, 10_000),
    changed,
    pilotAgent: values['pilot-agent'],
    minutes: one('--minutes', values.minutes, 1_440),
    rate: one('--rate', values.rate, 1_000),
    isSmoke,
    lab: values.lab,
    output: values.output,
    out: values.out,
  };
}

/** Scenarios that the lab runs, and those that run beside it. */
const needsLab: ReadonlySet<Scenario> = new Set(['coldstart', 'reconnect', 'storm']);
const takesLab: ReadonlySet<Scenario> = new Set(['propagation', ...needsLab]);
const takesOut: ReadonlySet<Scenario> = new Set(['propagation', 'soak']);
/** Scenarios with several sizes in one run. */
const hasSeveral: ReadonlySet<Scenario> = new Set(['propagation', 'check', 'coldstart', 'reconnect']);
/** Scenarios whose clients have parts of their own. */
const needsClients: ReadonlySet<Scenario> = new Set(['identities', 'neighbours', 'observed', 'soak', 'storm']);
const clientsMin = 6;

function checkSizes(
  scenario: Scenario,
  { clients, resources, changed }: Pick<BenchOptions, 'clients' | 'resources' | 'changed'>,
): void {
  if (!hasSeveral.has(scenario) && clients.length + resources.length + changed.length > 3) {
    throw new Error(`--scenario ${scenario} has one number of --clients, of --resources and of --changed`);
  }
  if (needsClients.has(scenario) && (clients[0] ?? 0) < clientsMin) {
    throw new Error(`--scenario ${scenario} needs ${clientsMin} --clients or more`);
  }
}

function checkFlags(
  scenario: Scenario,
  { out, lab, 'pilot-agent': pilotAgent }: { readonly [flag in 'out' | 'lab' | 'pilot-agent']?: string | undefined },
): void {
  const names = (scenarios: ReadonlySet<Scenario>): string => [...scenarios].join(', ');
  if (out !== undefined && !takesOut.has(scenario))
    throw new Error(`--out belongs to the scenarios ${names(takesOut)}, not to ${scenario}`);
  if (lab === undefined && needsLab.has(scenario)) throw new Error(`--scenario ${scenario} needs --lab PATH`);
  if (lab !== undefined && !takesLab.has(scenario))
    throw new Error(`--lab belongs to the scenarios ${names(takesLab)}, not to ${scenario}`);
  if (pilotAgent !== undefined && scenario !== 'propagation')
    throw new Error(`--pilot-agent belongs to the scenario propagation, not to ${scenario}`);
}
