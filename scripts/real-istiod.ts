import { accessSync, constants } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkAccess } from '../test/istiod/access.ts';
import { buildIstiod } from '../test/istiod/build.ts';
import { checkContent } from '../test/istiod/content.ts';
import { checkLessons } from '../test/istiod/lessons.ts';
import { checkOutages } from '../test/istiod/outages.ts';
import { Report } from '../test/istiod/report.ts';
import { checkReturns } from '../test/istiod/returns.ts';
import { checkSource } from '../test/istiod/source.ts';

// Weir between real istiods: one serves mesh configuration over MCP, or `weir source` does, another one takes it. Run:
// npm run real-istiod -- [--istiod PATH] [--part NAME …]. Without --istiod it is built, once.

const parts: Readonly<Record<string, (report: Report, binary: string) => Promise<void>>> = {
  content: checkContent,
  source: checkSource,
  outages: checkOutages,
  returns: checkReturns,
  access: checkAccess,
  lessons: checkLessons,
};

async function run(): Promise<number> {
  const { values } = parseArgs({
    options: { istiod: { type: 'string' }, part: { type: 'string', multiple: true } },
  });
  const wanted = values.part ?? Object.keys(parts);
  const unknown = wanted.filter(name => parts[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(`real-istiod: no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}\n`);
    return 2;
  }
  const tell = (text: string): void => void process.stdout.write(`${text}\n`);
  const binary = values.istiod ?? (await buildIstiod(tell));
  accessSync(binary, constants.X_OK);
  const report = new Report();
  for (const name of wanted) {
    const check = parts[name];
    if (check) await report.part(name, () => check(report, binary));
  }
  tell(report.summary);
  return report.isGood ? 0 : 1;
}

// What was started ends with this process, which a signal would else end without a word.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.exitCode = await run().catch((error: unknown) => {
  process.stderr.write(`real-istiod: ${error instanceof Error ? error.message : String(error)}\n`);
  return 2;
});
