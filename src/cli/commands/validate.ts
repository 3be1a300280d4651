import { accessSync, constants } from 'node:fs';
import { accessWarnings } from '../../agent/access-check.ts';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { flagOf, type Settings, settingSpecs } from '../../agent/settings.ts';
import { upstreamWarnings } from '../../agent/upstream-check.ts';
import { readSettings } from '../options.ts';

interface Findings {
  readonly problems: readonly string[];
  /** What does not keep it from being used. */
  readonly warnings: readonly string[];
}

/** `weir validate`: prints all problems of a configuration, and what is to be known of it; resolves to 0 or 2. */
export async function validate(options: Readonly<Record<string, unknown>>): Promise<number> {
  const format = options['output'];
  if (format !== 'text' && format !== 'json') {
    console.error(`weir: --output must be text or json (given: '${String(format)}')`);
    return exitCodes.usage;
  }
  const { problems, warnings } = await findingsOf(options);
  if (format === 'json')
    console.log(JSON.stringify({ valid: problems.length === 0, problems, warnings }, undefined, 2));
  else {
    for (const problem of problems) console.error(`weir: ${problem}`);
    for (const warning of warnings) console.error(`weir: warning: ${warning}`);
    if (problems.length === 0) console.log('The configuration is valid.');
  }
  return problems.length === 0 ? exitCodes.ok : exitCodes.usage;
}

async function findingsOf(options: Readonly<Record<string, unknown>>): Promise<Findings> {
  try {
    const resolved = await readSettings(options);
    if ('problems' in resolved) return { problems: resolved.problems, warnings: [] };
    const { settings } = resolved;
    return {
      problems: [],
      warnings: [...accessWarnings(settings), ...upstreamWarnings(settings), ...unreadable(settings)],
    };
  } catch (error) {
    // A file that cannot be read is a finding as any other: a program that asks for JSON gets it as JSON.
    if (error instanceof AgentError && error.exitCode === exitCodes.usage) {
      return { problems: [error.describe()], warnings: [] };
    }
    throw error;
  }
}

/** Files that cannot be read here; where the agent is to run they may be there. */
function unreadable(settings: Settings): string[] {
  return settingSpecs.flatMap(({ key, placeholder, fallback }) => {
    const path = settings[key];
    const [kind, ...words] = placeholder.split('|');
    // A default is only read where something else asks for it.
    if (kind !== 'FILE' || typeof path !== 'string' || path === fallback || words.includes(path)) return [];
    // A place that is no file, and may have a password in it.
    if (/^https?:/i.test(path)) return [];
    try {
      accessSync(path, constants.R_OK);
      return [];
    } catch (cause) {
      return [new AgentError(`${flagOf(key)} cannot be read here`, { cause }).describe()];
    }
  });
}
