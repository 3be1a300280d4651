import type { Command } from 'commander';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { type CommandWords, completionScript, shells } from '../completion.ts';

/** `weir completion`: prints a script for a shell. */
export async function printCompletion(shell: string, program: Command): Promise<number> {
  const known = shells.find(one => one === shell);
  if (known === undefined) {
    throw new AgentError(`the shell must be one of ${shells.join(', ')} (given: '${shell}')`, {
      exitCode: exitCodes.usage,
    });
  }
  process.stdout.write(completionScript(known, wordsOf(program)));
  return exitCodes.ok;
}

/** What the command line knows of a command, and of those below it. */
export function wordsOf(command: Command): CommandWords {
  const help = command.createHelp();
  return {
    name: command.name(),
    aliases: command.aliases(),
    about: command.description(),
    options: help.visibleOptions(command).map(({ long, short, description, required, optional }) => ({
      flags: [short, long].filter(flag => flag !== undefined),
      about: description,
      hasValue: required || optional,
    })),
    takesType: command.registeredArguments.some(argument => argument.name() === 'TYPE'),
    // The command that commander makes itself prints the help that --help does.
    commands: command.commands.map(wordsOf),
  };
}
