import type { MetricSpec } from '../src/admin/metric-sample.ts';
import { cacheStates, clientStates, codeLabels, metricSections, typeLabels } from '../src/agent/metric-table.ts';
import { webhookMetrics } from '../src/kube/webhook-status.ts';
import { sourceMetrics } from '../src/source/status.ts';

/** What each cache state means in a cache with several clients, and how gRFC A78 has it. */
const statesExplained: Readonly<Record<(typeof cacheStates)[number], string>> = {
  requested: 'A client asks for the name, and nothing is known of it: not yet asked for upstream, or no answer yet.',
  presumed:
    'Served, and no client has accepted its newest content yet: nobody was given it, answers are on their way, or clients never answer for the type. A78 has one client and no such state.',
  acked: 'Served, and one client at the least has accepted its newest content.',
  nacked:
    'Every client that answered rejected the newest content, and there is no accepted one: it is left out, or served all the same where the clients did not say that it was this one (ADR 0014).',
  nacked_but_cached: 'The same, and the content that was accepted last is served in its place.',
  does_not_exist: 'The control plane said that there is no such resource, or answered the same request without it.',
  received_error: 'The control plane sent an error in place of the resource, and nothing is held of it.',
  timeout: 'The control plane has given no answer within the 15 s of xDS.',
};

const head = `# Metrics

Made from the tables of metrics by \`npm run docs\`; do not edit. \`/metrics\` is on the admin address and on those of \`--health\`, in the Prometheus text
format 0.0.4. Scraping it costs what there is of types, nodes and client streams, whatever is held: every number is kept as things happen, and no
resource is looked at. Dashboard, alerts and ways to scrape are in [deploy/observability](../deploy/observability/README.md).

- Names begin with \`weir_\`; units are base units and stand in the name; counters end in \`_total\`.
- **Every label is bounded.** Its values are listed here, in code. \`type\` is the short name of one of Envoy's types or of one of Istio's kinds, and \`other\` for
  all that a client may invent. No label has a name of a resource, a node, an address or a version of configuration.
- So there is no \`control_plane_identifier\` as Envoy has it: its value is what the control plane says, of any length, and a new one with each instance, so
  that every rollout of the control plane would begin a new series in every pod. \`weir status\` and \`/status\` tell the one of now.
- What is the same for all nodes of an agent is summed over them: one agent has one set of series, however many nodes it serves.
- A counter of a type is there, at 0, from the first word of the type on, so that \`increase()\` sees its first step.
`;

/** docs/metrics.md, of the tables of the agent, of \`weir source\` and of \`weir webhook\`. */
export function metricReference(): string {
  const parts = [head];
  for (const { title, metrics } of metricSections) parts.push(tableOf(title, metrics));
  parts.push(
    [
      '## Cache states',
      '',
      'Values of `cache_state` in `weir_resources`, by the names of gRFC A78. A name that is served or asked for is in one of them; names that linger',
      'without a subscriber are in `weir_idle_resources`. The states of A78 that end in `_but_cached` after an error or an end do not exist here: what is held',
      'then counts by what the clients said of it, and `weir_upstream_errors` tells of the word.',
      '',
      '| state | meaning |',
      '|---|---|',
      ...cacheStates.map(state => `| \`${state}\` | ${statesExplained[state]} |`),
      '',
      '## Label values',
      '',
      `- \`type\`: ${listOf(typeLabels)}`,
      `- \`code\`: ${listOf(codeLabels)}`,
      `- \`state\`: ${listOf(clientStates)}`,
      '- `phase`: `idle`, `connecting`, `open`, `backoff`; `variant`: `delta`, `sotw`; `version`, `node`: one value in each process',
      '',
    ].join('\n'),
    tableOf('weir source', sourceMetrics),
    'Values of `kind` are names of Istio’s kinds, `all` and `other`.\n',
    tableOf('weir webhook', webhookMetrics),
  );
  return parts.join('\n');
}

function tableOf(title: string, metrics: Readonly<Record<string, MetricSpec>>): string {
  const rows = Object.entries(metrics).map(([name, { kind, help, labels = {}, when }]) => {
    const names = Object.keys(labels)
      .map(label => `\`${label}\``)
      .join(', ');
    return `| \`weir_${name}\` | ${kind} | ${names || '–'} | ${help.replaceAll('|', '\\|')} | ${when ?? 'always'} |`;
  });
  return [
    `## ${title}`,
    '',
    '| metric | kind | labels | what it tells | there when |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function listOf(values: readonly string[]): string {
  return values.map(value => `\`${value}\``).join(', ');
}
