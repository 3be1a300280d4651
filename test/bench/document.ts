import { availableParallelism, totalmem } from 'node:os';
import type { BenchOptions } from './options.ts';
import { figureTable, growthTable, labTable, markdownOf } from './table.ts';
import { type Measured, verdictsOf } from './targets.ts';

/** From this heading on the document is written by people and stays when it is made anew. */
const notesHeading = '## What the profiles show';

/** The machine in one line, without anything that names it. */
export function machineLine(now: Date): string {
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  const system = `${process.platform} ${process.arch}, ${availableParallelism()} cores, ${memoryGiB} GiB`;
  return `${system}, Node.js ${process.versions.node}, ${now.toISOString().slice(0, 10)}`;
}

function commandOf(options: BenchOptions): string {
  const { clients, resources, variants, repetitions, updates, changed, lab, pilotAgent } = options;
  const { namedCases, isUsual } = options;
  const named = isUsual ? '' : namedCases?.map(one => `--case ${one} `).join('');
  const sizes = named ?? `--clients ${clients} --resources ${resources} --variants ${variants} --changed ${changed} `;
  const amounts = `--repetitions ${repetitions} --updates ${updates}`;
  const peers = `${lab === undefined ? '' : ' --lab PATH-OF-XDSLAB'}${pilotAgent === undefined ? '' : ' --pilot-agent PATH'}`;
  return `npm run bench -- ${sizes}${amounts}${peers} --out docs`;
}

const introduction = `Made by \`npm run bench\`; only the last part is written by hand. Absolute figures are those of one shared machine; what
counts are ratios within a run.`;

const method = `- **direct**: clients straight at the control plane. **byte relay**: bytes in, the same bytes out on grpc-js, one upstream stream
  per client, no logic; the floor for anything made of grpc-js. **Weir**: the bundle, \`--node-sharing shared\`, a cache directory, upstream the
  clients' variant; **Weir, socket** has its clients on a Unix socket, **Weir, Delta upstream** SotW clients all the same. **pilot-agent**: Istio's, one for each
  client since it serves one, without Envoy, plaintext; its processor time and memory are those of all of them.
- Control plane, middle and clients are a process each, new for every run; direct, relay, Weir, direct, … take turns. A figure is
  the median of the repetitions (least–greatest); a ratio is taken inside each repetition first.
- N resources are N clusters with their endpoints, 420 bytes a pair. Clients ask as Envoy does: all clusters, then endpoints by name.
  An update changes clusters in turn; the next one begins 25 ms after every client has the last. Where updates take long there are
  fewer, so p99 at one client is the slowest but few, and with many clients and large lists rests on few updates.
- Propagation is from the stamp in the changed resource until a client has the last resource of the update, one sample per client
  and update, on the clock that all processes share. First sync ends when the last client holds everything.
- Bytes are gRPC messages as the control plane sends them. Processor time is the scheduler's, per thread (\`/proc/PID/task/*/schedstat\`).
  RSS and own (RssAnon) are read after the last update.
- A run counts only if in the end every client holds the newest of everything, nothing was rejected, and through Weir the control
  plane has seen one stream.
- The control plane of this harness encodes each update **once for all streams** and compares nothing, so *direct* is the bare
  transport. A control plane that works for every stream, as go-control-plane does, gains from having one stream instead of N; that
  is what the lab measures, so targets against *direct* are judged by the lab where it ran.`;

/**
 * The document.
 *
 * @param before its last version, whose part written by hand is kept; '' if there is none
 */
export function documentOf(measured: Measured, options: BenchOptions, now: Date, before: string): string {
  const verdicts = verdictsOf(measured);
  const targets = verdicts.map(({ what, target, measured: figure, verdict }) => [what, target, figure, verdict]);
  const met = verdicts.filter(({ verdict }) => verdict === 'met').length;
  const missed = verdicts.filter(({ verdict }) => verdict.startsWith('missed')).length;
  const failures = [...measured.rows, ...measured.lab].flatMap(row =>
    row.failures.map(
      failure =>
        `- ${row.benchCase.variant}, ${row.benchCase.resources} resources, ${row.benchCase.clients} clients, ${row.subject}: ${failure}`,
    ),
  );
  const lab =
    measured.lab.length === 0
      ? []
      : [
          '## The same cases in the lab',
          '`xdslab bench`: go-control-plane, Go clients, an update every 250 ms whether or not the last has arrived (at most 20); first\nsync is that of the slowest client. Weir speaks Delta upstream. Processor time comes in steps of 10 ms a run.',
          markdownOf(labTable(measured.lab)),
        ];
  const notesAt = before.indexOf(notesHeading);
  const notes = notesAt === -1 ? `${notesHeading}\nNot looked at yet.\n` : before.slice(notesAt);
  return [
    '# Performance',
    introduction,
    `Machine: ${machineLine(now)}.`,
    `\`\`\`\n${commandOf(options)}\n\`\`\``,
    '## Against the targets',
    `${met} met, ${missed} missed. The targets are those of the design, in ratios to what ran beside.`,
    markdownOf([['what', 'target', 'measured', 'verdict'], ...targets]),
    'Not part of this bench: conformance, restart of the control plane, cold start without one, many identities, bad neighbours (see below for these three).',
    '## Propagation by number of clients',
    '![Median propagation by number of clients, direct, byte relay and Weir](performance.svg)',
    '## Figures',
    markdownOf(figureTable(measured.rows)),
    '## How cost grows',
    'The exponent of the power of the size that fits the medians best: 0 is what does not grow, 1 what grows as the size does. Small sizes have a part that does not grow in them.',
    markdownOf(growthTable(measured.rows)),
    ...lab,
    ...(failures.length === 0 ? [] : ['## Runs that failed', failures.join('\n')]),
    '## How it is measured',
    method,
    notes,
  ].join('\n\n');
}
