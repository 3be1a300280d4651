import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { settingsReference } from '../src/cli/options.ts';

// `npm run docs` writes the documents that are made of the sources; `npm run docs -- --check` fails when one is stale.

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const path = join(repository, 'docs', 'configuration.md');
const name = relative(repository, path);
const wanted = settingsReference();
const isCurrent = existsSync(path) && readFileSync(path, 'utf8') === wanted;

if (isCurrent) process.stdout.write(`${name} is up to date\n`);
else if (values.check) {
  process.stderr.write(`${name} is not what the settings table says; run \`npm run docs\`\n`);
  process.exitCode = 1;
} else {
  writeFileSync(path, wanted);
  process.stdout.write(`${name} written\n`);
}
