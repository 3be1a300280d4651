import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Data, listAt, parseDocuments, textAt } from './deployment.ts';
import { manifest, single } from './kubernetes-manifests.ts';
import { type Check, podsIn, runCommand } from './real-webhook.ts';

const goldenFolder = fileURLToPath(new URL('../golden/inject', import.meta.url));
/** Arguments of kubectl that have an API server look at all that is applied, and apply nothing. */
export const dryRun = [
  'apply',
  '--server-side',
  '--force-conflicts',
  '--dry-run=server',
  '--validate=strict',
  '-f',
  '-',
];
/** Several objects as one. */
export const list = (items: readonly Data[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

/** What is applied, before anything is. */
export const manifestChecks: readonly Check[] = [
  {
    title: 'check-deploy: what kustomize and Helm render is taken, strictly validated',
    run: async ({ world }) => {
      const script = fileURLToPath(new URL('../../scripts/check-deploy.ts', import.meta.url));
      const said = await runCommand(process.execPath, [script, '--kubeconfig', world.kubeconfig], '', 20 * 60_000);
      assert.equal(said.status, 0, said.stdout + said.stderr);
      return `${said.stdout.match(/^ok/gm)?.length ?? 0} checks`;
    },
  },
  {
    title:
      'manifests with sidecars and the gateway are taken by a namespace that enforces Pod Security restricted, pods too',
    run: async ({ world }) => {
      await world.namespace('strict', { 'pod-security.kubernetes.io/enforce': 'restricted' });
      const names = [...single.keys()].filter(name => !name.startsWith('daemonset'));
      for (const name of names) {
        const objects = manifest(name);
        const said = await world.kubectl([...dryRun, '-n', 'strict'], list([...objects, ...podsIn('strict', objects)]));
        assert.equal(said.status, 0, `${name}: ${said.stderr}`);
        assert.doesNotMatch(said.stderr, /Warning/, name);
      }
      return `${names.length} files`;
    },
  },
  {
    title:
      'the DaemonSet and its client are taken where volumes of the node are allowed, and refused where they are not',
    run: async ({ world }) => {
      const [node, client] = [manifest('daemonset.yaml'), manifest('daemonset-client.yaml')];
      await world.done(['apply', '--server-side', '-f', '-'], list(node.filter(({ kind }) => kind === 'Namespace')));
      await world.namespace('clients');
      await world.done(dryRun, list([...node, ...podsIn('weir-node', node)]));
      await world.done([...dryRun, '-n', 'clients'], list([...client, ...podsIn('clients', client)]));
      const refused = await world.kubectl([...dryRun, '-n', 'strict'], list(podsIn('strict', client)));
      assert.match(refused.stderr, /hostPath/);
      return undefined;
    },
  },
  {
    title: 'golden outputs of weir inject are taken, strictly validated',
    run: async ({ world }) => {
      const files = readdirSync(goldenFolder).filter(name => /\.out\.(yaml|json)$/.test(name));
      assert.ok(files.length > 0, 'there are golden outputs');
      const wrong: string[] = [];
      let count = 0;
      for (const name of files) {
        const text = readFileSync(join(goldenFolder, name), 'utf8');
        // Kinds of others are not installed here.
        const objects = parseDocuments(text, name).filter(one => !/argoproj|example/.test(textAt(one, 'apiVersion')));
        for (const namespace of namespacesOf(objects)) await world.namespace(namespace);
        for (const object of objects) {
          count += 1;
          const said = await world.kubectl(
            ['apply', '--dry-run=server', '--validate=strict', '-f', '-'],
            JSON.stringify(withAccount(object)),
          );
          if (said.status !== 0) wrong.push(`${name}: ${said.stderr.trim()}`);
        }
      }
      assert.deepEqual(wrong, []);
      return `${files.length} files, ${count} objects`;
    },
  },
];

function namespacesOf(objects: readonly Data[]): Set<string> {
  const all = objects.flatMap(object => [object, ...listAt(object, 'items')]);
  return new Set(all.map(one => textAt(one, 'metadata', 'namespace')).filter(name => name !== ''));
}

/** A pod, also in a List, with the account that the admission plugin of that name fills in, which is off here. */
function withAccount(object: Data): Data {
  if (Array.isArray(object['items'])) return { ...object, items: listAt(object, 'items').map(withAccount) };
  if (object['kind'] !== 'Pod') return object;
  return { ...object, spec: { serviceAccountName: 'default', ...(object['spec'] as Data) } };
}
