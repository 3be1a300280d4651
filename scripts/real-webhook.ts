import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { checkRealWebhook } from '../test/support/real-webhook-run.ts';
import { buildKubernetes } from './kubernetes-binaries.ts';

// `npm run real-webhook`: applies deploy/kubernetes and deploy/chart to a real Kubernetes API server, and has `weir webhook` inject the pods that are
// created there. There are no nodes and no network of a cluster: the API server calls the webhook by an address on loopback in place of its
// Service, and no pod runs. Everything is on loopback, and it ends only what it started.

const help = `npm run real-webhook -- [--apiserver PATH --etcd PATH]
  --apiserver PATH  a kube-apiserver; without it one is built with Go into .kubernetes, which takes minutes
  --etcd PATH       an etcd; the same
It needs kubectl, an Envoy (npm run get-envoy), and kustomize and Helm, which are built with Go into .peers if they are not there.
`;

const { values } = parseArgs({
  options: { apiserver: { type: 'string' }, etcd: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) process.stdout.write(help);
else {
  try {
    const { apiserver, etcd } = values;
    assert.ok((apiserver === undefined) === (etcd === undefined), 'give both --apiserver and --etcd, or none of them');
    const binaries = apiserver !== undefined && etcd !== undefined ? { apiserver, etcd } : buildKubernetes();
    const { passed, failed } = await checkRealWebhook(binaries);
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    process.exitCode = failed > 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`real-webhook: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
