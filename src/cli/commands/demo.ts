import { dirname } from 'node:path';

/** Where the demo's own flags end up. */
interface DemoFlags {
  readonly envoy?: string;
  readonly client: 'auto' | 'envoy' | 'builtin';
  readonly output: 'text' | 'json';
  readonly upstreamVariant?: 'auto' | 'delta' | 'sotw';
}

/**
 * `weir demo`: shows Weir at work on this machine and ends by itself.
 *
 * @param argv arguments behind `demo`
 * @returns the exit code: 0 when every step held, 1 when one did not, 2 for a wrong flag or an Envoy that is not there
 */
export async function runDemo(argv: readonly string[]): Promise<number> {
  const { Command, CommanderError, Option } = await import('commander');
  const program = new Command('weir demo')
    .description(
      'Starts a control plane, Weir and clients on loopback, sends HTTP requests through them, and checks each claim.',
    )
    .option(
      '--envoy <path>',
      'Envoy binary (default: WEIR_ENVOY, .envoy/envoy from `npm run get-envoy`, envoy on PATH)',
    )
    .addOption(
      new Option('--client <kind>', 'which client to use').choices(['auto', 'envoy', 'builtin']).default('auto'),
    )
    .addOption(new Option('-o, --output <format>', 'how to report').choices(['text', 'json']).default('text'))
    .addOption(
      new Option('--upstream-variant <variant>', 'form of ADS between Weir and the control plane').choices([
        'auto',
        'delta',
        'sotw',
      ]),
    )
    .allowExcessArguments(false)
    .exitOverride();
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    // Commander has printed the help or what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  return await play(program.opts<DemoFlags>());
}

async function play(flags: DemoFlags): Promise<number> {
  const [{ playDemo }, { Report }, { findEnvoy }] = await Promise.all([
    import('../../demo/demo.ts'),
    import('../../demo/report.ts'),
    import('../../demo/envoy-process.ts'),
  ]);
  // The same script started this process, from a clone as well as from the bundle.
  const script = process.argv[1] ?? '';
  let envoy: string | undefined;
  try {
    const explicit = flags.envoy ?? (process.env['WEIR_ENVOY'] || undefined);
    const from = [dirname(script), process.cwd()];
    envoy =
      flags.client === 'builtin' ? undefined : findEnvoy({ explicit, from, searchPath: process.env['PATH'] ?? '' });
    if (flags.client === 'envoy' && envoy === undefined) throw new Error(`no Envoy was found; ${howToGetEnvoy}`);
  } catch (error) {
    process.stderr.write(`weir demo: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }

  const write = (text: string): boolean => process.stdout.write(text);
  const report = new Report({ format: flags.output, hasColours: process.stdout.isTTY === true, write });
  // The children are ended by an exit handler, so that an interrupt leaves nothing behind.
  const interrupt = (): never => process.exit(130);
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const startMs = performance.now();
  if (envoy === undefined) report.note(`no Envoy: the built-in client takes its place (${howToGetEnvoy})`);
  else report.note(`Envoy: ${envoy}`);
  const weirCommand = [process.execPath, script];
  await playDemo({ weirCommand, envoy, upstreamVariant: flags.upstreamVariant }, report);
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  return report.finish(performance.now() - startMs) ? 0 : 1;
}

const howToGetEnvoy = '`npm run get-envoy` installs one, --envoy or WEIR_ENVOY names one';
