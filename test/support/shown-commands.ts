import { resolveSettings } from '../../src/agent/config.ts';
import { flagOf, settingSpecs } from '../../src/agent/settings.ts';
import type { createProgram } from '../../src/cli/main.ts';
import type { MarkdownBlock } from './markdown.ts';

/** A command of the real command line. */
export type Command = ReturnType<typeof createProgram>;

/** A command line of Weir that a page shows: its words behind `weir`. */
export interface ShownCommand {
  readonly words: readonly string[];
  readonly line: number;
}

/** What may stand before Weir's own name: a prompt, variables, another program that runs it. */
const before = /^(?:\$ )?(?:[A-Z_]+=(?:'[^']*'|\S*) )*(?:kubectl exec .* -- |docker run .* )?/;
const own = /^(?:\.\/weir|weir|node dist\/weir\.cjs) /;

/** Weir's command lines in a block. Where there are prompts, lines without one are what was printed. */
export function commandsIn({ text, line }: MarkdownBlock): ShownCommand[] {
  const lines = text.split('\n');
  const hasPrompt = lines.some(one => one.startsWith('$ '));
  const found: ShownCommand[] = [];
  for (let index = 0; index < lines.length; index++) {
    const first = index;
    let whole = lines[index] ?? '';
    while (whole.endsWith('\\')) whole = `${whole.slice(0, -1).trimEnd()} ${lines[++index]?.trim() ?? ''}`;
    if (hasPrompt && !whole.startsWith('$ ')) continue;
    const command = whole.replace(before, '');
    if (!own.test(command)) continue;
    // Two blanks and more set off what is said of the command.
    const [typed = ''] = command.split(/ {2,}/);
    const start = typed.startsWith('node ') ? 2 : 1;
    found.push({ words: splitWords(typed).slice(start), line: line + first });
  }
  return found;
}

/** Splits a command line as a shell does, as far as its first redirection, pipe or comment. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(?:[|&;#]|[12]?>|<)/.test(word)) break;
    words.push(word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return words;
}

/** What a command that is only spoken of may lack. */
const partial: ReadonlySet<unknown> = new Set([
  'commander.help',
  'commander.missingArgument',
  'commander.missingMandatoryOptionValue',
]);

/**
 * What is wrong with a command line; undefined if nothing is. It is parsed by the real commands, and nothing is run.
 *
 * @param program made for this command line alone
 * @param isWhole whether it is typed as it stands: then it needs its arguments, and settings need values that are allowed
 */
export function commandProblem(program: Command, words: readonly string[], isWhole: boolean): string | undefined {
  let ran: Command | undefined;
  for (const command of allCommands(program)) {
    command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
    // A group has none of its own: without a command of it, it shows its help.
    if (command.commands.length === 0) {
      command.action(() => {
        ran = command;
      });
    }
  }
  try {
    program.parse([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && 'exitCode' in error)) throw error;
    return error.exitCode === 0 || (!isWhole && partial.has(error.code)) ? undefined : error.message;
  }
  return isWhole && (ran?.name() === 'run' || ran?.name() === 'validate') ? settingProblem(ran) : undefined;
}

/** A command with those below it. */
export function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function settingProblem(command: Command): string | undefined {
  const options = command.opts<Readonly<Record<string, unknown>>>();
  const flags = new Map<string, string>();
  for (const { key } of settingSpecs) {
    const value = options[key.replace(/Ms$/, '')];
    if (typeof value === 'string') flags.set(flagOf(key), value);
  }
  // It may be in the file, which is another one than the page can show.
  if (typeof options['config'] === 'string' && !flags.has('--upstream')) flags.set('--upstream', 'control-plane:1');
  const resolved = resolveSettings({ flags, environment: new Map(), file: undefined });
  return 'problems' in resolved ? resolved.problems.join('; ') : undefined;
}
