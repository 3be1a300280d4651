import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { weirCommand } from './envoy.ts';
import { runWeir } from './weir-process.ts';

/** A command of the program, as its help describes it. */
export interface WeirCommand {
  /** `cache ls` … */
  readonly words: readonly string[];
  /** Its arguments as the usage names them: `<FILE>`, `[TYPE]` … */
  readonly arguments: readonly string[];
  /** Forms of output that it knows; empty for one that has no choice. */
  readonly formats: readonly string[];
  /** Flags of its options without those of help. */
  readonly flags: readonly string[];
}

/** Every command that runs something, found by its help, so that nobody has to keep a list. */
export async function weirCommands(words: readonly string[] = []): Promise<WeirCommand[]> {
  const { stdout } = await runWeir([...words, '--help']);
  const [, listed] = /\nCommands:\n([\s\S]*?)(?:\n\n|$)/.exec(stdout) ?? [];
  if (listed !== undefined) {
    const names = [...listed.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name);
    const found: WeirCommand[] = [];
    for (const name of names) if (name !== 'help') found.push(...(await weirCommands([...words, name])));
    return found;
  }
  const [usage = ''] = stdout.split('\n\n');
  const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = '']) => flag);
  return [
    {
      words,
      formats: /--output <FORMAT>/.test(stdout)
        ? ['text', 'json', 'yaml'].filter(format => format !== 'yaml' || /\byaml\b/.test(stdout))
        : [],
      arguments: [...usage.matchAll(/[<[]([A-Z][A-Z_-]*)(?:\.\.\.)?[>\]]/g)].map(([whole]) => whole),
      flags: flags.filter(flag => flag !== '--help'),
    },
  ];
}

/** Everything that a command prints until it ends, or until its time is over. */
export async function printedBy(
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
  longestMs: number,
): Promise<Buffer> {
  const [program = '', ...script] = weirCommand;
  const env = { ...process.env, ...variables };
  const child = spawn(program, [...script, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: longestMs,
    killSignal: 'SIGTERM',
  });
  const pieces: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => pieces.push(piece));
  await once(child, 'close');
  return Buffer.concat(pieces);
}
