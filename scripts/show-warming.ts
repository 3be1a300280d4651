import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Variant } from '../src/demo/envelopes.ts';
import { findEnvoy, type RunningEnvoy, startEnvoy, type XdsAddress } from '../src/demo/envoy-process.ts';
import { getJson } from '../src/demo/http-traffic.ts';
import { makeFolder, pickFreePort, removeFolder, startProcess, waitFor } from '../src/demo/processes.ts';
import { startWeir } from '../src/demo/weir-process.ts';

// Shows one thing that Weir changes: when a control plane sends a changed cluster and not its endpoints again, as
// go-control-plane does, Envoy leaves that cluster warming until its fetch timer fires (rulebook R29, 3.3). Behind Weir it
// does not. Run: node scripts/show-warming.ts --lab PATH [--envoy PATH], PATH being the built xdslab.

const watchMs = 3000;
const repository = dirname(dirname(fileURLToPath(import.meta.url)));

/** How one run ended: the ms until nothing was warming, or what was still warming after `watchMs`. */
type Outcome = { readonly settledMs: number } | { readonly stillWarming: number };

async function observe(envoy: RunningEnvoy, labAdminPort: number): Promise<Outcome> {
  await envoy.waitLive(20_000);
  const startMs = performance.now();
  const answer = await fetch(`http://127.0.0.1:${labAdminPort}/touch?type=cds&n=1`, { method: 'POST' });
  const stamp = /"stamp":\s*"?(\d+)/.exec(await answer.text())?.[1];
  if (!answer.ok || stamp === undefined) throw new Error(`the lab changed no cluster: status ${answer.status}`);
  // The changed cluster carries the stamp; Envoy shows it once it has taken it, warm or not.
  const isTaken = async () =>
    (await getJson(envoy.adminPort, '/config_dump')).body.includes(stamp) ? true : undefined;
  await waitFor('Envoy to take the changed cluster', 5000, isTaken, [envoy.process]);
  for (;;) {
    const warming = await envoy.stat('cluster_manager.warming_clusters');
    const ms = performance.now() - startMs;
    if (warming === 0) return { settledMs: Math.round(ms) };
    if (ms > watchMs) return { stillWarming: warming };
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

function sentence(outcome: Outcome): string {
  if ('settledMs' in outcome) return `0 clusters warming, ${outcome.settledMs} ms after the change`;
  return `${outcome.stillWarming} cluster still warming ${watchMs} ms after the change`;
}

/** One run with a fresh control plane, because the order of snapshots must not matter. @returns the figure as a sentence */
async function show(lab: string, envoyPath: string, variant: Variant, throughWeir: boolean): Promise<string> {
  const folder = makeFolder();
  const [port, labAdminPort] = [await pickFreePort(), await pickFreePort()];
  const addresses = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${labAdminPort}`];
  const labProcess = await startProcess('xdslab', lab, ['serve', ...addresses, '--listeners', '0', '--routes', '0']);
  const stops: (() => Promise<void>)[] = [() => labProcess.stop()];
  try {
    const isListening = () => (labProcess.lastLines().some(line => line.includes('"listen"')) ? true : undefined);
    await waitFor('xdslab to listen', 5000, isListening, [labProcess]);
    let xds: XdsAddress = { kind: 'tcp', host: '127.0.0.1', port };
    if (throughWeir) {
      const command = [process.execPath, process.env['WEIR_SCRIPT'] ?? join(repository, 'src', 'cli', 'main.ts')];
      const weir = await startWeir({ command, upstream: `127.0.0.1:${port}`, folder });
      stops.push(() => weir.process.stop());
      xds = { kind: 'tcp', host: '127.0.0.1', port: weir.port };
    }
    // There are no listeners, so Envoy would wait for them the full 15 s.
    const envoy = await startEnvoy({ binary: envoyPath, nodeId: 'warming', xds, variant, initialFetchTimeoutMs: 1000 });
    stops.push(() => envoy.stop());
    return sentence(await observe(envoy, labAdminPort));
  } finally {
    for (const stop of stops.reverse()) await stop();
    removeFolder(folder);
  }
}

const { values } = parseArgs({ options: { lab: { type: 'string' }, envoy: { type: 'string' } } });
const envoy = findEnvoy({
  explicit: values.envoy ?? (process.env['WEIR_ENVOY'] || undefined),
  from: [repository],
  searchPath: process.env['PATH'] ?? '',
});
if (values.lab === undefined || envoy === undefined) {
  const missing =
    values.lab === undefined ? '--lab PATH is needed: the built xdslab' : 'no Envoy found: npm run get-envoy';
  process.stderr.write(`show-warming: ${missing}\n`);
  process.exitCode = 2;
} else {
  for (const variant of ['sotw', 'delta'] as const) {
    for (const throughWeir of [false, true]) {
      const path = throughWeir ? 'through Weir' : 'direct';
      const figure = await show(values.lab, envoy, variant, throughWeir).catch(
        (error: unknown) => `failed: ${String(error)}`,
      );
      process.stdout.write(`${variant.padEnd(5)} ${path.padEnd(12)} ${figure}\n`);
      if (figure.startsWith('failed')) process.exitCode = 1;
    }
  }
}
