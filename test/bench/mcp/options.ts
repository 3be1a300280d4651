import { parseArgs } from 'node:util';
import type { Variant } from '../../../src/demo/envelopes.ts';
import type { MeshSize } from './figures.ts';

/** What the user asked for. */
export interface MeshOptions {
  readonly size: MeshSize;
  readonly variants: readonly Variant[];
  readonly repetitions: number;
  /** Which clients; undefined for those in Go where there is Go. */
  readonly swarm: 'go' | 'node' | undefined;
  readonly output: 'text' | 'json';
  /** Whether the figures become a section of docs/PERFORMANCE.md. */
  readonly writes: boolean;
}

/** The help text. */
export const meshHelp = `npm run bench:mcp -- [OPTIONS]

Measures clients of mesh configuration (MCP over xDS) straight at a source and through Weir (the bundle, built anew), in turn, with
processes of their own: throughput, latency, processor time and memory, beside goals. The source is Weir's own, and where there is Go
also a LinearCache of go-control-plane. Takes about six minutes with the defaults; the figures are medians (least–greatest).

  --clients N          clients [20]
  --resources N        VirtualServices [1000]
  --namespaces N       that they are in [50]
  --variants V,…       what the clients speak, sotw (as istiod) or delta [sotw,delta]
  --repetitions N      runs of each, alternating [5]
  --rate N             changes a second in the phase with a fixed rate [10]
  --seconds N          length of that phase [2.5]
  --window N           changes that may be on their way in the saturated phase [8]
  --swarm go|node      what the clients are made of [go where there is Go]
  --quick              one small run of each in half a minute: 5 clients, 200 resources
  -o, --output FORMAT  text or json, on stdout [text]
  --write              also writes the section of docs/PERFORMANCE.md
  -h, --help           this text

Exit code: 0, whether or not goals are met; 1 if a run failed, a client missed a change, or the source saw other streams than it
should; 2 for a wrong option.
`;

function numberIn(flag: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (value.trim() !== '' && number >= min && number <= max) return number;
  throw new Error(`${flag}: ${JSON.stringify(value)} is no number from ${min} to ${max}`);
}

function countIn(flag: string, value: string, max: number): number {
  const count = numberIn(flag, value, 1, max);
  if (Number.isInteger(count)) return count;
  throw new Error(`${flag}: ${JSON.stringify(value)} is no whole number`);
}

function variantsIn(value: string): readonly Variant[] {
  return [...new Set(value.split(','))].map(part => {
    if (part === 'delta' || part === 'sotw') return part;
    throw new Error(`--variants: ${JSON.stringify(part)} is neither sotw nor delta`);
  });
}

/** What is left out is small in a quick run. */
const usual = { clients: '20', resources: '1000', namespaces: '50', repetitions: '5', seconds: '2.5' };
const quick = { clients: '5', resources: '200', namespaces: '10', repetitions: '1', seconds: '0.6' };

/**
 * Reads the command line.
 *
 * @param args without program and script
 * @returns undefined when the user asked for help
 * @throws Error with a text for the user when an option is wrong
 */
export function readMeshOptions(args: readonly string[]): MeshOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      clients: { type: 'string' },
      resources: { type: 'string' },
      namespaces: { type: 'string' },
      variants: { type: 'string', default: 'sotw,delta' },
      repetitions: { type: 'string' },
      rate: { type: 'string', default: '10' },
      seconds: { type: 'string' },
      window: { type: 'string', default: '8' },
      swarm: { type: 'string' },
      quick: { type: 'boolean', default: false },
      output: { type: 'string', short: 'o', default: 'text' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const given = values.quick ? quick : usual;
  const count = (flag: keyof typeof given, max: number): number =>
    countIn(`--${flag}`, values[flag] ?? given[flag], max);
  if (values.output !== 'text' && values.output !== 'json') {
    throw new Error(`--output: ${JSON.stringify(values.output)} is neither text nor json`);
  }
  const { swarm } = values;
  if (swarm !== undefined && swarm !== 'go' && swarm !== 'node') {
    throw new Error(`--swarm: ${JSON.stringify(swarm)} is neither go nor node`);
  }
  if (values.quick && values.write) throw new Error('--write is not for the figures of a --quick run');
  const resources = count('resources', 100_000);
  const window = countIn('--window', values.window, 1000);
  // Else a change could be overwritten by the next one of its resource before all clients have seen it.
  if (window > resources) throw new Error(`--window: ${window} is more than the ${resources} resources`);
  const rate = numberIn('--rate', values.rate, 0.1, 1000);
  const seconds = numberIn('--seconds', values.seconds ?? given.seconds, 0.1, 30);
  const phases = values.quick
    ? { saturatedMs: 300, singleMs: 300, warmUpMs: 200 }
    : { saturatedMs: 1500, singleMs: 1500, warmUpMs: 1000 };
  return {
    size: {
      ...{ clients: count('clients', 500), resources, namespaces: count('namespaces', 1000) },
      ...{ rate, changes: Math.max(1, Math.round(rate * seconds)), window, ...phases },
    },
    variants: variantsIn(values.variants),
    repetitions: count('repetitions', 100),
    swarm,
    output: values.output,
    writes: values.write,
  };
}
