import { parseArgs } from 'node:util';
import type { Variant } from '../../src/demo/envelopes.ts';

/** What is measured: the way of an update, many identities, bad neighbours, onlookers, a long time, or the return of a control plane. */
export type Scenario = 'propagation' | 'identities' | 'neighbours' | 'observed' | 'soak' | 'storm';

/** What the user asked for. */
export interface BenchOptions {
  readonly scenario: Scenario;
  readonly clients: readonly number[];
  readonly resources: readonly number[];
  readonly variants: readonly Variant[];
  readonly repetitions: number;
  readonly updates: number;
  readonly changed: number;
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
in turn, with processes of their own. Takes about half an hour with the defaults; the figures are medians (least–greatest).

  --scenario NAME      propagation: the above; identities: a stream for each of many nodes, one of which changes all the time;
                       neighbours: clients that stand still, reconnect without end, reject everything or send garbage beside
                       many that behave; observed: a dashboard that is open while everything is dumped
                       again and again; soak: updates at a fixed rate for a long time; storm: agents that come back after
                       an outage, and as many clients without them, by --lab [propagation]
  --clients N,…        numbers of clients, one in the other scenarios [1,10,100; identities 200; observed, soak 10; others 100]
  --resources N,…      numbers of clusters, each with its endpoints [1000,10000; identities 500; observed 10000; others 1000]
  --variants V,…       what the clients speak, delta or sotw; Weir speaks the same upstream, with SotW clients Delta too [delta,sotw]
  --repetitions N      runs of each, alternating [3; in the other scenarios 5]
  --updates N          updates in a run, one at a time; fewer, but at least 5, where they take long [40; identities 600; observed 100]
  --changed N          clusters in an update [10; soak 1]
  --minutes N          soak: how long [60]
  --rate N             soak: updates a second [50]
  --smoke              one small case in a few seconds: 2 clients, 200 resources, both variants, 5 updates, once
  --lab PATH           the built xdslab: its bench runs each case too, straight and through Weir; storm needs it
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

/** What differs between scenarios where the user names nothing. */
const defaults: Readonly<
  Record<Scenario, { readonly [flag in 'clients' | 'resources' | 'repetitions' | 'updates']: string }>
> = {
  propagation: { clients: '1,10,100', resources: '1000,10000', repetitions: '3', updates: '40' },
  identities: { clients: '200', resources: '500', repetitions: '5', updates: '600' },
  neighbours: { clients: '100', resources: '1000', repetitions: '5', updates: '40' },
  observed: { clients: '10', resources: '10000', repetitions: '5', updates: '100' },
  soak: { clients: '10', resources: '1000', repetitions: '1', updates: '1' },
  storm: { clients: '100', resources: '1000', repetitions: '1', updates: '1' },
};

const scenarios = [
  'propagation',
  'identities',
  'neighbours',
  'observed',
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
      variants: { type: 'string', default: 'delta,sotw' },
      repetitions: { type: 'string' },
      updates: { type: 'string' },
      changed: { type: 'string' },
      minutes: { type: 'string', default: '60' },
      rate: { type: 'string', default: '50' },
      smoke: { type: 'boolean', default: false },
      lab: { type: 'string' },
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
  const resources = isSmoke ? [200] : countsIn('--resources', given.resources, 100_000);
  const changed = one('--changed', values.changed ?? '10', 1000);
  if (resources.some(count => count < changed)) throw new Error('--changed is more than there are resources');
  const clients = isSmoke ? [scenario === 'propagation' ? 2 : 8] : countsIn('--clients', given.clients, 1000);
  if (scenario !== 'propagation') {
    if (values.out !== undefined && scenario !== 'soak') {
      throw new Error(`--out belongs to the scenarios propagation and soak, not to ${scenario}`);
    }
    if (scenario === 'storm' && values.lab === undefined) throw new Error('--scenario storm needs --lab PATH');
    if (scenario !== 'storm' && values.lab !== undefined) {
      throw new Error(`--lab belongs to the scenarios propagation and storm, not to ${scenario}`);
    }
    if (clients.length > 1 || resources.length > 1) {
      throw new Error(`--scenario ${scenario} has one number of --clients and of --resources`);
    }
    if ((clients[0] ?? 0) < 6) throw new Error(`--scenario ${scenario} needs 6 --clients or more`);
  }
  return {
    scenario,
    clients,
    resources,
    variants: variantsIn(values.variants),
    repetitions: isSmoke ? 1 : one('--repetitions', given.repetitions, 100),
    updates: isSmoke ? 5 : one('--updates', given.updates, 10_000),
    changed: scenario === 'soak' && values.changed === undefined ? 1 : changed,
    minutes: one('--minutes', values.minutes, 1_440),
    rate: one('--rate', values.rate, 1_000),
    isSmoke,
    lab: values.lab,
    output: values.output,
    out: values.out,
  };
}
