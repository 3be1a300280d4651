import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy } from '../../src/demo/envoy-process.ts';
import { Report } from '../../src/demo/report.ts';

function reportInto(lines: string[], format: 'text' | 'json'): Report {
  return new Report({ format, hasColours: false, write: text => lines.push(text) });
}

test('a report holds only if every claim of every step holds', () => {
  const lines: string[] = [];
  const report = reportInto(lines, 'text');
  report.step('good', 'went well', { ms: 1 }, [{ holds: true, otherwise: 'never shown' }]);
  assert.equal(report.finish(100), true);
  report.step('bad', 'went on', {}, [{ holds: false, otherwise: 'one line\nanother line' }]);
  assert.equal(report.finish(200), false);
  const text = lines.join('');
  assert.match(text, /^✓ good .*went well$/m);
  assert.match(text, /^✗ bad /m);
  assert.match(text, /^ +another line$/m);
  assert.doesNotMatch(text, /never shown/);
});

test('a report without a step does not hold', () => {
  assert.equal(reportInto([], 'text').finish(0), false);
});

test('a JSON report is one object, written once', () => {
  const lines: string[] = [];
  const report = reportInto(lines, 'json');
  report.note('a note');
  report.failure('step', new Error('it broke'));
  report.finish(1234);
  assert.equal(lines.length, 1);
  assert.deepEqual(JSON.parse(lines.join('')), {
    ok: false,
    seconds: 1.2,
    notes: ['a note'],
    steps: [{ title: 'step', ok: false, text: 'broke off\nit broke', measured: {} }],
  });
});

test('an Envoy that was named must be there; else it is searched beside the program and on the path', () => {
  assert.throws(
    () => findEnvoy({ explicit: '/nowhere/envoy', from: [], searchPath: '' }),
    /\/nowhere\/envoy is no program/,
  );
  assert.equal(findEnvoy({ explicit: undefined, from: ['/nowhere'], searchPath: '/nowhere' }), undefined);
  assert.equal(findEnvoy({ explicit: process.execPath, from: [], searchPath: '' }), process.execPath);
});
