import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LineSplitter, tooLong } from '../../src/source/line-splitter.ts';
import { SeededRandom } from '../support/random.ts';

function split(lineBytesMax: number, ...chunks: readonly string[]): string[] {
  const splitter = new LineSplitter(lineBytesMax);
  return chunks
    .flatMap(chunk => splitter.push(Buffer.from(chunk)))
    .map(line => (line === tooLong ? '<too long>' : line.toString()));
}

describe('lines of a stream', () => {
  test('are the same however the stream is cut', () => {
    const text = 'one\n\nzwölf\n0123456789\n01234567890\nlast\nnot ended';
    const bytes = Buffer.from(text);
    for (let seed = 1; seed <= 200; seed++) {
      const random = new SeededRandom(seed);
      const splitter = new LineSplitter(10);
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + random.below(12);
        lines.push(...splitter.push(bytes.subarray(at, end)).map(line => line.toString()));
        at = end;
      }
      assert.deepEqual(lines, ['one', 'zwölf', '0123456789', tooLong, 'last'], `seed ${seed}`);
    }
  });

  test('that do not end are told as too long once, as soon as they are', () => {
    assert.deepEqual(split(4, '12345', '6789', 'a'), ['<too long>']);
    assert.deepEqual(split(4, '1234', '5', '6789\nab\n'), ['<too long>', 'ab']);
  });

  test('are not given before they end', () => {
    assert.deepEqual(split(100, '{"type":', '"ADDED"}'), []);
    assert.deepEqual(split(100, '{"type":', '"ADDED"}', '\n'), ['{"type":"ADDED"}']);
  });
});
