import { AgentError, exitCodes } from '../../agent/errors.ts';
import { readSettings } from '../options.ts';

/** `weir validate`: prints all problems of a configuration; resolves to 0 or 2. */
export async function validate(options: Readonly<Record<string, unknown>>): Promise<number> {
  const format = options['output'];
  if (format !== 'text' && format !== 'json') {
    console.error(`weir: --output must be text or json (given: '${String(format)}')`);
    return exitCodes.usage;
  }
  const problems = await problemsOf(options);
  if (format === 'json') console.log(JSON.stringify({ valid: problems.length === 0, problems }, undefined, 2));
  else if (problems.length === 0) console.log('The configuration is valid.');
  else for (const problem of problems) console.error(`weir: ${problem}`);
  return problems.length === 0 ? exitCodes.ok : exitCodes.usage;
}

async function problemsOf(options: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  try {
    const resolved = await readSettings(options);
    return 'problems' in resolved ? resolved.problems : [];
  } catch (error) {
    // A file that cannot be read is a finding as any other: a program that asks for JSON gets it as JSON.
    if (error instanceof AgentError && error.exitCode === exitCodes.usage) return [error.describe()];
    throw error;
  }
}
