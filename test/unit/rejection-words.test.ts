import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isNamedIn, suspectsOf } from '../../src/cache/quarantine.ts';

describe('the words of a rejection', () => {
  test('R102: a name counts where it stands as a word of its own', () => {
    for (const words of [
      'a',
      'a: no such filter',
      'Error adding/updating cluster(s) a: bad',
      'cluster "a" is bad',
      "cluster 'a'",
      'cluster `a`, cluster b',
      'clusters [a,b]',
      'clusters (a)',
      '{name=a}',
      'it is a.',
      'bad: b; a',
      'line one\na\nline three',
    ]) {
      assert.ok(isNamedIn(words, 'a'), words);
    }
  });

  test('R102: and not within another name or word', () => {
    for (const words of ['', 'cat', 'a.b', 'b.a', 'a-b', 'b-a', 'a/b', 'a_b', 'a:8080', 'ab ba aa', 'A']) {
      assert.ok(!isNamedIn(words, 'a'), words);
    }
    assert.ok(isNamedIn('a.b and a', 'a'), 'a later place counts');
    assert.ok(!isNamedIn('anything', ''));
  });

  test('R102: names with all kinds of characters are found', () => {
    for (const name of [
      'outbound|80||svc.ns.svc.cluster.local',
      'xdstp://auth/T/a?x=1',
      'a.*+(b)[c]',
      '$&',
      'ü \u{1f642}',
    ]) {
      assert.ok(isNamedIn(`cluster ${name}: bad`, name), name);
      assert.ok(isNamedIn(`'${name}'`, name), name);
    }
  });

  test('R102: the suspects are those that the words name, or all', () => {
    assert.deepEqual(suspectsOf('a and c', ['a', 'b', 'c']), { names: ['a', 'c'], areNamed: true });
    assert.deepEqual(suspectsOf('something', ['a', 'b']), { names: ['a', 'b'], areNamed: false });
    assert.deepEqual(suspectsOf('x', []), { names: [], areNamed: false });
  });
});
