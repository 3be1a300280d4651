import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { checkRealKubernetes } from '../test/support/real-kubernetes-run.ts';
import { buildKubernetes } from './kubernetes-binaries.ts';

// `npm run real-kubernetes`: reads a real Kubernetes API server with exactly the rights that docs say are enough, and does to it what
// happens to one. Everything is on loopback, and it ends only what it started.

const help = `npm run real-kubernetes -- [--apiserver PATH --etcd PATH] [--only TEXT]
  --apiserver PATH  a kube-apiserver; without it one is built with Go into .kubernetes, which takes minutes
  --etcd PATH       an etcd; the same
  --only TEXT       only the checks with this text in their title
`;

const { values } = parseArgs({
  options: {
    apiserver: { type: 'string' },
    etcd: { type: 'string' },
    only: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (values.help) process.stdout.write(help);
else {
  try {
    const { apiserver, etcd } = values;
    assert.ok((apiserver === undefined) === (etcd === undefined), 'give both --apiserver and --etcd, or none of them');
    const binaries = apiserver !== undefined && etcd !== undefined ? { apiserver, etcd } : buildKubernetes();
    const { passed, failed } = await checkRealKubernetes(binaries, values.only ?? '');
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    process.exitCode = failed > 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`real-kubernetes: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
