import assert from 'node:assert/strict';
import { test } from 'node:test';
import { injectText } from '../../src/kube/manifests.ts';
import { readYaml } from '../../src/kube/yaml-read.ts';

const defaults = [{ title: '', values: new Map([['upstream', 'cp:1']]) }];

function inject(text: string) {
  const done = injectText(text, { policy: 'opt-out', defaults, version: '1' });
  assert.ok('text' in done, JSON.stringify(done));
  return done;
}

const pod = (container: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: w}\nspec:\n  containers:\n  - ${container}\n`;

test('values are read as kubectl reads them', () => {
  const read = readYaml('a: 22:30\nb: 2024-01-01T10:00:00Z\nc: 0644\nd: 0o644\ne: yes\nf: "0o7"\ng: 1_000\nh: 012\n');
  assert.ok('documents' in read);
  assert.deepEqual(read.documents[0]?.content, {
    a: '22:30',
    b: '2024-01-01T10:00:00Z',
    c: 420,
    d: 420,
    e: true,
    f: '0o7',
    g: 1000,
    h: 10,
  });
});

test('times and dates in a line that gets something else stay texts', () => {
  const { text } = inject(pod('{name: a, image: i, env: [{name: T, value: 22:30}, {name: D, value: 2024-01-01}]}'));
  assert.match(text, /"value":"22:30"/);
  assert.match(text, /"value":"2024-01-01"/);
});

test('a document that is written anew quotes what looks like a number', () => {
  // What is added to the anchored list would be in its alias as well.
  const { text, isRewritten } = inject(
    `${pod("name: a\n    env: &env\n    - {name: O, value: '0o7'}\n    - {name: P, value: '012'}")}  copied: *env\n`,
  );
  const again = readYaml(text);
  assert.ok('documents' in again && isRewritten);
  assert.match(JSON.stringify(again.documents[0]?.content), /"value":"0o7"},{"name":"P","value":"012"/);
});

test('many documents take the time of their length', () => {
  const text = Array.from({ length: 200 }, () => pod('name: a\n    image: i')).join('---\n');
  const startMs = performance.now();
  assert.equal(inject(text).templates.length, 200);
  assert.ok(performance.now() - startMs < 5_000, 'it grew with the square: 20 s and more');
});

test('a byte order mark and Windows line ends stay', () => {
  const { text } = inject(`\uFEFF${pod('name: a').replaceAll('\n', '\r\n')}`);
  assert.ok(text.startsWith('\uFEFFapiVersion: v1\r\n'));
  assert.doesNotMatch(text, /[^\r]\n/);
});

test('mistakes have their line', () => {
  for (const [text, words] of [
    ['a: 1\nb: [\n', /^line [23]: /],
    ['a: 1\na: 2\n', /^line 2: Map keys must be unique/],
    ['a: *x\n', /^line 1: /],
    ['kind: Pod\nmetadata: {{ .x }}\n', /templates have to be rendered first/],
  ] as const) {
    const done = injectText(text, { policy: 'opt-out', defaults, version: '1' });
    assert.ok('problem' in done);
    assert.match(done.problem, words);
  }
});
