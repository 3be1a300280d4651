import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { LogOptions } from '../../src/agent/log.ts';

const module = new URL('../../src/agent/log.ts', import.meta.url).href;

/** What a process of its own logs: the logger writes to standard output itself, past anything that could be replaced here. */
function logged(options: LogOptions, statements: string): string {
  const program = `import { createLogger } from '${module}';
    const log = await createLogger(${JSON.stringify(options)});
    ${statements}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

test('JSON lines hold time, level as a word, fields and message, and nothing below the level', () => {
  const text = logged(
    { level: 'info', format: 'auto', isTty: false },
    `log.debug({}, 'hidden'); log.info({ type: 'CDS', n: 2 }, 'first'); log.error({}, 'second "quoted"\\n');`,
  );
  const lines = text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  assert.equal(lines.length, 2);
  const [{ time, ...first }, second] = lines;
  assert.deepEqual(first, { level: 'info', type: 'CDS', n: 2, msg: 'first' });
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(second.level, 'error');
  assert.equal(second.msg, 'second "quoted"\n');
});

test('a line written right before the process ends is not lost, in either format', () => {
  for (const format of ['json', 'pretty'] as const) {
    const text = logged({ level: 'info', format, isTty: false }, `log.warn({}, 'last words'); process.exit(0);`);
    assert.match(text, /last words/, format);
  }
});

test('readable lines have colours only on a terminal', () => {
  const colour = '\u001b[';
  const plain = logged({ level: 'info', format: 'pretty', isTty: false }, `log.warn({ type: 'CDS' }, 'held');`);
  assert.match(plain, /^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: held\n\s+type: "CDS"\n$/);
  assert.equal(plain.includes(colour), false);
  const coloured = logged({ level: 'info', format: 'auto', isTty: true }, `log.warn({}, 'held');`);
  assert.equal(coloured.includes(colour), true);
});

test('silent says nothing', () => {
  assert.equal(logged({ level: 'silent', format: 'json', isTty: false }, `log.error({}, 'x');`), '');
});
