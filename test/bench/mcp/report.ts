import type { Variant } from '../../../src/demo/envelopes.ts';
import { cell, markdownOf, short, type Table } from '../table.ts';
import type { Goal, MeshSize, Server } from './figures.ts';
import type { Comparison } from './judge.ts';
import { serviceResource } from './services.ts';

/** What a column is called. */
export const serverNames: Readonly<Record<Server, string>> = { weir: 'Weir’s source', go: 'LinearCache' };

/** What clients speak, as a heading says it. */
export const variantNames: Readonly<Record<Variant, string>> = {
  sotw: 'SotW clients, as istiod',
  delta: 'Delta clients',
};

/** What a report is of. */
export interface Report {
  readonly comparisons: readonly Comparison[];
  readonly size: MeshSize;
  readonly repetitions: number;
  /** Which clients. */
  readonly swarm: 'go' | 'node';
  /** The options, as they were typed. */
  readonly command: string;
  readonly machine: string;
  readonly failures: readonly string[];
}

const goalText = ({ way, ratio }: Goal): string => `${way === 'at least' ? '≥' : '≤'} ${ratio.toFixed(2)}x`;

function ratioText({ ratio, verdict }: Comparison): string {
  if (ratio === undefined) return '';
  const { median, min, max } = ratio;
  const range = min === max ? '' : ` (${min.toFixed(2)}–${max.toFixed(2)})`;
  return `${median.toFixed(2)}x${range}${verdict === undefined ? '' : `, ${verdict}`}`;
}

/** The table of one variant: a line for each figure, three columns for each source. */
export function meshTable(comparisons: readonly Comparison[], variant: Variant): Table {
  const meant = comparisons.filter(one => one.variant === variant);
  const servers = [...new Set(meant.map(({ server }) => server))];
  const heading = servers.flatMap(server => [`${serverNames[server]}, direct`, 'through Weir', 'ratio']);
  const titles = [...new Set(meant.map(({ title }) => title))];
  const lines = titles.map(title => {
    const line = meant.filter(one => one.title === title);
    const goal = line[0]?.goal;
    const cells = servers.flatMap(server => {
      const one = line.find(comparison => comparison.server === server);
      return one === undefined ? ['', '', ''] : [cell(one.direct), cell(one.weir), ratioText(one)];
    });
    return [title, goal === undefined ? '' : goalText(goal), ...cells];
  });
  return [['', 'goal', ...heading], ...lines];
}

/** How many goals were met, in a sentence for each source. */
export function summaryOf(comparisons: readonly Comparison[]): string {
  const servers = [...new Set(comparisons.map(({ server }) => server))];
  const of = (server: Server): string => {
    const judged = comparisons.flatMap(one => (one.server === server && one.verdict !== undefined ? one.verdict : []));
    const met = judged.filter(verdict => verdict === 'met').length;
    return `${serverNames[server]}: ${met} goals met, ${judged.length - met} missed.`;
  };
  return servers.map(of).join(' ');
}

/** The heading of the section in docs/PERFORMANCE.md. */
const sectionHeading = '## Mesh configuration, direct and through Weir';

function methodOf({ size, swarm, repetitions }: Report): string {
  const { clients, resources, namespaces, rate, changes, window, saturatedMs, singleMs, warmUpMs } = size;
  const seconds = (ms: number): string => `${ms / 1000} s`;
  const bytes = serviceResource(0, namespaces, 0, 0).any.length;
  const list = short((bytes * resources) / 1e6);
  const made = swarm === 'go' ? 'Go (gRPC-Go)' : 'Node.js (grpc-js)';
  return `- ${clients} clients; ${resources.toLocaleString('en-US')} VirtualServices of ${bytes} bytes in ${namespaces} namespaces, so that a SotW answer has ${list} MB. SotW clients speak as istiod does:
  one stream each, 16 types at once, a nonce on each first request, everything acknowledged, the node in each ACK. All clients are one process, in ${made};
  of a resource they read the last bytes alone, which say which change it holds and when that was made.
- **Weir’s source** is \`runSource\` of src/source, as a bundle, with a reader that makes changes when it is told to. **LinearCache** is go-control-plane’s, one for each type, with the same bytes.
  Of itself it answers SotW requests for these types with what changed alone, and istiod would delete the rest; so here it is made to send whole lists. **Through Weir** is
  the bundle with \`--node-sharing shared\` and a cache directory; which variant it speaks upstream it chooses by itself (Delta).
- A change is of one resource, in turn, with the number of the change in it and in its \`resourceVersion\`. A **delivery** is one change, seen for the first time by one client. Changes that
  wait for a client may come in one message; as at most ${window} are on their way, of as many resources, none is lost by that. A run in which a client misses one does not count.
- **Saturated** (${seconds(saturatedMs)}): the source makes the next change as soon as every client has seen all but the last ${window - 1}. **One change at a time** (${seconds(singleMs)}): when every client has
  seen the last. **Fixed rate**: ${rate} changes a second, ${changes} in a run, whether or not the last has arrived; latency is from the moment before the source makes the
  resource until the clients’ process has the message, on the clock of the machine, one sample for each delivery. Before all that come ${seconds(warmUpMs)} that are saturated and not counted.
- Processor time is the scheduler’s, 100 % are one processor. Memory is the mean over the phase with the fixed rate; the highest is of the whole run.
- Processes are new for every run; the columns take turns${repetitions === 1 ? '' : `, ${repetitions} times`}. Figures are medians (least–greatest), ratios are taken inside each repetition. The goals are for the side of the
  source, with 20 clients: 1.75 times the deliveries, 2.3 times less latency in the mean, 31 % less processor time, 29 % less memory.
- All processes share the processors of one machine. Where those are busy, the time that Weir takes is taken from the clients and the source.`;
}

/** The section of docs/PERFORMANCE.md. */
export function sectionOf(report: Report): string {
  const { comparisons, command, machine, failures } = report;
  const variants = [...new Set(comparisons.map(({ variant }) => variant))];
  return [
    sectionHeading,
    `Made by \`npm run bench:mcp -- ${command}\`. ${machine}. ${summaryOf(comparisons)}`,
    ...variants.flatMap(variant => [`### ${variantNames[variant]}`, markdownOf(meshTable(comparisons, variant))]),
    ...(failures.length === 0 ? [] : [`Runs that failed:\n\n${failures.map(failure => `- ${failure}`).join('\n')}`]),
    '### How it is measured',
    methodOf(report),
  ].join('\n\n');
}

/** Puts the section into a document: in place of the one there, else at its end. */
export function withSection(document: string, section: string): string {
  const start = document.indexOf(`${sectionHeading}\n`);
  if (start === -1) return `${document.trimEnd()}\n\n${section}\n`;
  const next = document.indexOf('\n## ', start);
  const rest = next === -1 ? '\n' : `\n${document.slice(next)}`;
  return `${document.slice(0, start)}${section}${rest}`;
}
