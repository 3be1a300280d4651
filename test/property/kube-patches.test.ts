import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { jsonPatch } from '../../src/kube/json-patch.ts';
import { patchYaml } from '../../src/kube/yaml-patch.ts';
import { readYaml } from '../../src/kube/yaml-read.ts';
import { applyPatch } from '../support/json-patch.ts';

// Keys that the prototype has are as good as others; numbers are those that JSON can say.
const key = fc.constantFrom('a', 'b', 'name', 'x/y', 'm~n', '__proto__x', 'on', '8', 'with space');
const scalar = fc.oneof(
  fc.boolean(),
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.constant(null),
  fc.constantFrom(
    '',
    'text',
    'yes',
    '0644',
    '# no comment',
    'a: b',
    '- c',
    'line\nline\n',
    ' padded ',
    '{',
    '~',
    '"quoted"',
  ),
);
const { value } = fc.letrec<{ value: unknown; list: unknown[]; map: Record<string, unknown> }>(tie => ({
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, scalar, tie('list'), tie('map')),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}));
const map = fc.dictionary(key, value, { minKeys: 1, maxKeys: 4, noNullPrototype: true });

/** Something that is mostly the same: what a change of a manifest is. */
const changed = (before: unknown): fc.Arbitrary<unknown> => {
  if (Array.isArray(before)) {
    return fc
      .tuple(
        ...before.map(one => fc.oneof({ weight: 4, arbitrary: changed(one) }, value)),
        fc.array(value, { maxLength: 2 }),
      )
      .map(parts => {
        const added = parts.at(-1) as unknown[]; // The last of the tuple.
        return [...added, ...parts.slice(0, -1)];
      });
  }
  if (typeof before === 'object' && before !== null) {
    const entries = Object.entries(before);
    return fc
      .tuple(fc.tuple(...entries.map(([, one]) => changed(one))), fc.subarray(entries.map((_, at) => at)), map)
      .map(([values, kept, more]) =>
        Object.assign(
          Object.fromEntries(kept.map(at => [entries[at]?.[0] ?? '', values[at]])),
          kept.length > 1 ? {} : more,
        ),
      );
  }
  return fc.oneof({ weight: 4, arbitrary: fc.constant(before) }, scalar);
};

const pair = map.chain(before => changed(before).map(after => ({ before, after })));
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 400);

test('a JSON patch makes the one value of the other', () => {
  fc.assert(
    fc.property(pair, ({ before, after }) => {
      assert.deepEqual(applyPatch(before, jsonPatch(before, after)), after);
    }),
    { numRuns },
  );
});

test('a patched YAML text says what it should, whatever its style, and the documents around it stay as they are', () => {
  const style = fc.record({
    indentSeq: fc.boolean(),
    indent: fc.constantFrom(2, 4),
    collectionStyle: fc.constantFrom('any' as const, 'flow' as const, 'block' as const),
    eol: fc.constantFrom('\n', '\r\n'),
    comment: fc.boolean(),
  });
  fc.assert(
    fc.property(pair, style, ({ before, after }, { indentSeq, indent, collectionStyle, eol, comment }) => {
      const own = stringify(before, {
        version: '1.1',
        indentSeq,
        indent,
        collectionStyle,
        aliasDuplicateObjects: false,
      });
      const around = ['# first\nx: 1   # one\n', `${comment ? '# of the document\n' : ''}${own}`, 'z:   "2"\n# last\n'];
      const text = around.join('---\n').replaceAll('\n', eol);
      const read = readYaml(text);
      // An empty list in block style is written in a form that is none.
      fc.pre('documents' in read);
      const contents = read.documents.map(({ content }) => content).with(1, after);
      const patched = patchYaml(text, read.documents, contents);
      const again = readYaml(patched.text);
      assert.ok('documents' in again, `${patched.text}\n${JSON.stringify(again)}`);
      assert.deepEqual(
        again.documents.map(one => one.content),
        [{ x: 1 }, after, { z: '2' }],
      );
      assert.ok(patched.text.startsWith(`# first${eol}x: 1   # one${eol}---${eol}`), patched.text);
      assert.ok(patched.text.endsWith(`---${eol}z:   "2"${eol}# last${eol}`), patched.text);
    }),
    { numRuns },
  );
});
