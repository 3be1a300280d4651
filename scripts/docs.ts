import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { settingsReference } from '../src/cli/options.ts';
import { protocolPath, withTests } from '../test/tidy/protocol-rows.ts';
import { readRepository } from '../test/tidy/repository.ts';
import { dashboard } from './dashboard.ts';
import { injectionReference } from './injection-reference.ts';
import { metricReference } from './metric-reference.ts';
import { prometheusRule } from './prometheus-rule.ts';

// `npm run docs` writes what is made of the sources in the documents; `npm run docs -- --check` fails when something of it is stale.

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });

/** What a document is made of, and how. */
const documents: ReadonlyMap<string, (present: string) => string> = new Map([
  ['docs/configuration.md', () => settingsReference()],
  ['docs/injection.md', () => injectionReference()],
  ['docs/metrics.md', () => metricReference()],
  ['deploy/observability/dashboard.json', () => dashboard()],
  [
    'deploy/observability/prometheus-rule.yaml',
    () => prometheusRule(readFileSync(join(repository, 'deploy', 'observability', 'rules.yaml'), 'utf8')),
  ],
  [protocolPath, (present: string) => withTests(present, readRepository(repository))],
]);

for (const [name, make] of documents) {
  const path = join(repository, name);
  const present = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const wanted = make(present);
  if (present === wanted) process.stdout.write(`${name} is up to date\n`);
  else if (values.check) {
    process.stderr.write(`${name} is not what the sources say; run \`npm run docs\`\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, wanted);
    process.stdout.write(`${name} written\n`);
  }
}
