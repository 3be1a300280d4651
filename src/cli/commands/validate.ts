import { exitCodes } from '../../agent/errors.ts';
import { readSettings } from '../options.ts';

/** `weir validate`: prints all problems of a configuration; resolves to 0 or 2. */
export async function validate(options: Readonly<Record<string, unknown>>): Promise<number> {
  const format = options['output'];
  if (format !== 'text' && format !== 'json') {
    console.error(`weir: --output must be text or json (given: '${String(format)}')`);
    return exitCodes.usage;
  }
  const resolved = await readSettings(options);
  const problems = 'problems' in resolved ? resolved.problems : [];
  if (format === 'json') console.log(JSON.stringify({ valid: problems.length === 0, problems }, undefined, 2));
  else if (problems.length === 0) console.log('The configuration is valid.');
  else for (const problem of problems) console.error(`weir: ${problem}`);
  return problems.length === 0 ? exitCodes.ok : exitCodes.usage;
}
