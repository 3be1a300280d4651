import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BuiltinClient } from '../src/demo/builtin-client.ts';
import { ControlPlane } from '../src/demo/control-plane.ts';
import { get } from '../src/demo/http-traffic.ts';
import { waitFor } from '../src/demo/processes.ts';
import { encodeCluster, typeUrls } from '../src/demo/resources.ts';
import { startWeir } from '../src/demo/weir-process.ts';

const help = `npm run check-observability -- [--promtool PATH]
  --promtool PATH  a promtool; without it the one on the PATH, else one is built with Go into .peers, which takes minutes
Has promtool check the rules, run their tests, read every expression of the dashboard, and check the page of a running agent.
`;

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(repository, 'deploy', 'observability');
const prometheusModule = 'github.com/prometheus/prometheus';
/** That of Prometheus 3.13.5. */
const prometheusVersion = 'v0.313.5';
const buildMsMax = 1_800_000;
const waitMs = 20_000;

const { values } = parseArgs({ options: { promtool: { type: 'string' }, help: { type: 'boolean' } } });

/** Where promtool is: as given, on the PATH, or built. @throws Error when there is none and it cannot be built */
function findPromtool(): string {
  if (values.promtool !== undefined) return values.promtool;
  if (spawnSync('promtool', ['--version']).status === 0) return 'promtool';
  const peers = join(repository, '.peers');
  const path = join(peers, 'promtool');
  if (existsSync(path)) return path;
  process.stdout.write(
    `building promtool of ${prometheusModule} ${prometheusVersion} into ${peers}, which takes minutes …\n`,
  );
  // Prometheus replaces modules, which `go install` does not allow: it is built as a part of a module of ours.
  const scratch = mkdtempSync(join(tmpdir(), 'weir-promtool-'));
  try {
    writeFileSync(
      join(scratch, 'go.mod'),
      `module prometheus.invalid/build\ngo 1.25.0\nrequire ${prometheusModule} ${prometheusVersion}\n`,
    );
    mkdirSync(peers, { recursive: true });
    const args = [
      'build',
      '-mod=mod',
      '-trimpath',
      '-ldflags',
      '-s -w',
      '-o',
      `${path}.new`,
      `${prometheusModule}/cmd/promtool`,
    ];
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', GOWORK: 'off' };
    const built = spawnSync('go', args, { cwd: scratch, env, encoding: 'utf8', timeout: buildMsMax });
    if (built.status !== 0) {
      const why = built.error?.message ?? built.stderr;
      throw new Error(`there is no promtool here and it cannot be built (--promtool PATH): ${why}`);
    }
    // A rename is atomic: a build that breaks off never leaves half a program behind.
    renameSync(`${path}.new`, path);
    return path;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

let failed = 0;

/** Runs a step and prints its line, and all that was said when it failed. */
function step(title: string, promtool: string, args: readonly string[], input = ''): void {
  const { status, stdout, stderr, error } = spawnSync(promtool, args, {
    cwd: folder,
    input,
    encoding: 'utf8',
    timeout: 120_000,
  });
  // What promtool only advises fails, too.
  const isPassed = status === 0 && !/lint|warn/i.test(stderr);
  process.stdout.write(`${isPassed ? 'ok  ' : 'FAIL'}  ${title}\n`);
  if (isPassed) return;
  failed++;
  process.stdout.write(`${stdout}${stderr}${error?.message ?? ''}\n`);
}

/** The expressions of the dashboard as rules that record them, with Grafana's variables filled in. */
function dashboardRules(): string {
  const { panels }: { panels: { title: string; targets?: { expr: string }[] }[] } = JSON.parse(
    readFileSync(join(folder, 'dashboard.json'), 'utf8'),
  );
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const rules = expressions.map((expr, at) => ({
    record: `dashboard:weir:${at}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replace(/\$(namespace|pod|type)/g, '.*'),
  }));
  // JSON is YAML.
  return JSON.stringify({ groups: [{ name: 'dashboard', rules }] });
}

/** The page of an agent with a client, a disk, and a control plane that goes away. */
async function pageOfAnAgent(): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), 'weir-observability-'));
  const controlPlane = new ControlPlane();
  const port = await controlPlane.start();
  controlPlane.publish(new Map([[typeUrls.cluster, new Map([['shop', encodeCluster('shop')]])]]));
  const weir = await startWeir({
    command: [process.execPath, join(repository, 'src', 'cli', 'main.ts')],
    upstream: `127.0.0.1:${port}`,
    folder: scratch,
    flags: ['--cache-dir', scratch],
  });
  const client = new BuiltinClient('sidecar-1', 'delta', { kind: 'tcp', host: '127.0.0.1', port: weir.port });
  const page = async (): Promise<string> => (await get({ host: '127.0.0.1', port: weir.adminPort }, '/metrics')).body;
  const shows = async (line: RegExp): Promise<string | undefined> => {
    const text = await page();
    return line.test(text) ? text : undefined;
  };
  try {
    const isAcked = /^weir_resources\{type="CDS",cache_state="acked"\} 1$/m;
    await waitFor('the client to accept its cluster', waitMs, () => shows(isAcked), [weir.process]);
    controlPlane.stop();
    return await waitFor('the outage', waitMs, () => shows(/^weir_control_plane_connected_state 0$/m), [weir.process]);
  } finally {
    client.stop();
    await weir.process.stop();
    controlPlane.stop();
    rmSync(scratch, { recursive: true });
  }
}

if (values.help) process.stdout.write(help);
else {
  const promtool = findPromtool();
  step('promtool check rules rules.yaml', promtool, ['check', 'rules', '--lint=all', '--lint-fatal', 'rules.yaml']);
  step('promtool test rules alerts.test.yaml', promtool, ['test', 'rules', 'alerts.test.yaml']);
  const scratch = mkdtempSync(join(tmpdir(), 'weir-dashboard-'));
  try {
    const file = join(scratch, 'dashboard.yaml');
    writeFileSync(file, dashboardRules());
    step('every expression of dashboard.json is PromQL', promtool, ['check', 'rules', file]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
  const page = await pageOfAnAgent();
  const series = page.split('\n').filter(line => line !== '' && !line.startsWith('#')).length;
  step(`promtool check metrics: ${series} series of a running agent`, promtool, ['check', 'metrics'], page);
  process.exitCode = failed > 0 ? 1 : 0;
}
