import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { at, listAt } from './deployment.ts';
import { chartFolder } from './kubernetes-manifests.ts';
import { runCommand, type State } from './real-webhook.ts';

const built = fileURLToPath(new URL('../../.peers/helm', import.meta.url));

/**
 * Installs the chart in place of the manifests, with the webhook at work by the rights that it gives, and upgrades it: what the webhook wrote
 * into its configuration stays. The webhooks are left at their Service, which nobody can reach here.
 */
export async function checkChart({ world }: State): Promise<undefined> {
  for (const kind of [
    'mutatingwebhookconfiguration/weir',
    'clusterrole/weir-webhook',
    'clusterrolebinding/weir-webhook',
  ]) {
    await world.done(['delete', kind]);
  }
  const helm = async (...args: readonly string[]): Promise<string> => {
    const command = existsSync(built) ? built : 'helm';
    const said = await runCommand(command, [...args, '--kubeconfig', world.kubeconfig, '-n', 'weir-chart']);
    assert.equal(said.status, 0, said.stderr);
    return said.stdout;
  };
  const set = ['--set', 'upstream=control-plane.mesh.svc:18000'];
  const said = await helm('install', 'weir', chartFolder, '--create-namespace', ...set);
  assert.match(said, /kubectl label namespace NAME weir\.dev\/injection=enabled/);
  const webhook = await world.startWebhook(undefined, 'weir-chart');
  await world.ready(webhook);
  const before = await world.bundles();
  await helm('upgrade', 'weir', chartFolder, ...set, '--set', 'webhook.timeoutSeconds=7');
  const configuration = await world.object('mutatingwebhookconfiguration', 'weir');
  assert.deepEqual(
    listAt(configuration, 'webhooks').map(hook => hook['timeoutSeconds']),
    [7, 7],
  );
  assert.deepEqual(await world.bundles(), before);
  const account = await world.object('-n', 'weir-chart', 'serviceaccount', 'weir-webhook');
  assert.equal(at(account, 'metadata', 'labels', 'app.kubernetes.io/managed-by'), 'Helm');
  await webhook.stop(20_000);
  await helm('uninstall', 'weir');
  const left = await world.kubectl(['get', 'mutatingwebhookconfiguration', 'weir']);
  assert.match(left.stderr, /NotFound/);
  return undefined;
}
