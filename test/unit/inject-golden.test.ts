import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadAll } from 'js-yaml';
import { type InjectedText, injectText } from '../../src/kube/manifests.ts';
import { containerNames, volumeNames } from '../../src/kube/names.ts';
import { schemaProblems } from '../support/kubernetes-schema.ts';

// Shapes of workloads, and what injection makes of them: NAME.yaml and NAME.out.yaml. `UPDATE_GOLDEN=1 npm test -- unit --name golden` writes the latter.

const folder = fileURLToPath(new URL('../golden/inject/', import.meta.url));
const inputs = readdirSync(folder).filter(name => !/\.out\.\w+$/.test(name));
const expectedInputs = 33;

function inject(text: string): InjectedText {
  const values = new Map([['upstream', 'control-plane.mesh:15012']]);
  // A line `# flags: --default NAME=VALUE …` in front.
  for (const [, name = '', value = ''] of (text.split('\n')[0] ?? '').matchAll(/--default (\S+?)=(\S+)/g)) {
    values.set(name, value);
  }
  const done = injectText(text, { policy: 'opt-out', defaults: [{ title: '--default ', values }], version: '0.1.0' });
  assert.ok('text' in done, JSON.stringify(done));
  return done;
}

/** What a text says, by another parser than the one that edits it. */
const says = (text: string): unknown[] => loadAll(text) as unknown[];

describe('golden', () => {
  test('the corpus is whole', () => assert.equal(inputs.length, expectedInputs));

  for (const name of inputs) {
    test(`golden ${name}`, () => {
      const text = readFileSync(join(folder, name), 'utf8');
      const { text: out, isRewritten } = inject(text);
      const path = join(folder, name.replace(/(\.\w+)$/, '.out$1'));
      if (process.env['UPDATE_GOLDEN']) writeFileSync(path, out);
      assert.equal(out, readFileSync(path, 'utf8'));
      assert.equal(isRewritten, false, 'every form of the corpus is edited in its place');
      assert.equal(inject(out).text, out, 'a second time changes nothing');
      const problems = says(out).flatMap(object => (object ? schemaProblems(object) : []));
      assert.deepEqual(problems, []);
      assertKept(text, out);
    });
  }

  test('the schema finds what is wrong', () => {
    const container = { name: 'a', imag: 'b', ports: [{ containerPort: '80' }], args: 'x' };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [container, {}] } };
    assert.deepEqual(schemaProblems(pod), [
      'spec.containers[0].imag is no field of V1Container',
      'spec.containers[0].ports[0].containerPort must be a number, not "80"',
      'spec.containers[0].args must be a list',
      'spec.containers[1].name is missing',
    ]);
  });
});

/** Lines that say nothing of Weir are all there, in their order: comments, quotes, blank lines. */
function assertKept(before: string, after: string): void {
  if (!/^\s*[{[]/.test(before)) {
    const lines = after.split('\n');
    let at = 0;
    for (const line of before.split('\n')) {
      // A map or a value on one line may have got something; what a former injection wrote may be gone.
      if (/[{[~*]|weir|volumes:|\/gone/.test(line)) continue;
      const found = lines.indexOf(line, at);
      assert.ok(found >= 0, `the line '${line}' is gone or has moved`);
      at = found + 1;
    }
  }
  assert.deepEqual(says(after).map(withoutWeir), says(before).map(withoutWeir));
}

/** An object without everything that injection adds: what is left has to be the same before and after. */
function withoutWeir(value: unknown): unknown {
  const own: ReadonlySet<unknown> = new Set([...Object.values(containerNames), ...Object.values(volumeNames)]);
  if (Array.isArray(value)) {
    const others = value.filter(
      one => !own.has(one?.name) && one?.name !== 'weir-gone' && one?.value !== '/var/run/weir/grpc.json',
    );
    return others.length === 0 ? undefined : others.map(withoutWeir);
  }
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const entries = Object.entries(value)
    .filter(([key]) => key !== 'weir.dev/status' && key !== 'weir-metrics')
    .map(([key, item]) => [key, withoutWeir(item)] as const)
    .filter(([, item]) => item !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
