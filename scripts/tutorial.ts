import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testEnvoy } from '../test/support/envoy.ts';
import { runTutorial } from '../test/support/tutorial.ts';

// `npm run tutorial` runs the scenario of docs/tutorial.md and writes what was seen. With an Envoy where there is one; else a client says what Envoy would.

const path = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs', 'tutorial.md');
const { text, questionsMs } = await runTutorial(testEnvoy());
const isNews = !existsSync(path) || readFileSync(path, 'utf8') !== text;
if (isNews) writeFileSync(path, text);
const seconds = questionsMs.map(ms => (ms / 1000).toFixed(1)).join(', ');
process.stdout.write(`docs/tutorial.md ${isNews ? 'written' : 'is up to date'}; the questions took ${seconds} s\n`);
