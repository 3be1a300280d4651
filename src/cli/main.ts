import { Command, CommanderError } from 'commander';
import { AgentError, exitCodes } from '../agent/errors.ts';
import { addSettingFlags } from './options.ts';
import { weirVersion } from './version.ts';

const examples = `
Examples:
  weir demo                                              watch it work, with nothing else installed
  weir run --upstream 10.0.0.5:18000                     local clients connect to 127.0.0.1:15910
  weir run --upstream cp:18000 --listen unix:/run/xds    the same on a Unix socket
  weir bootstrap envoy --listen unix:/run/xds            a bootstrap for Envoy that points at it
  weir validate --config weir.yaml                       check a configuration

Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration, 3 cache unusable.
`;

/** Runs the command line; resolves to the exit code of the process. */
export async function main(argv: readonly string[]): Promise<number> {
  // The demo has flags of its own and is the heaviest to load.
  if (argv[0] === 'demo') return (await import('./commands/demo.ts')).runDemo(argv.slice(1));
  let exitCode: number = exitCodes.ok;
  const program = new Command('weir')
    .description('An xDS sidecar agent: one stream to the control plane, a cache, a local xDS endpoint.')
    .version(weirVersion)
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText('after', examples);
  const run = program.command('run').description('run the agent');
  addSettingFlags(run);
  run.action(async options => {
    exitCode = await (await import('./commands/run.ts')).runAgent(options);
  });
  program.command('demo').description('show it at work with an embedded control plane, ends by itself');
  const validate = program.command('validate').description('check a configuration and name all that is wrong');
  addSettingFlags(validate);
  validate.option('-o, --output <FORMAT>', 'text or json', 'text').action(async options => {
    exitCode = await (await import('./commands/validate.ts')).validate(options);
  });
  const bootstrap = program.command('bootstrap').description('print a client bootstrap that points at the agent');
  bootstrap
    .command('envoy')
    .description('for Envoy: ADS over the agent’s address')
    .option('--listen <ADDR>', 'where the agent listens', '127.0.0.1:15910')
    .option('--format <FORMAT>', 'yaml or json', 'yaml')
    .option('--variant <VARIANT>', 'delta or sotw', 'delta')
    .option('--node-id <ID>', 'node.id', 'envoy')
    .option('--node-cluster <NAME>', 'node.cluster', 'envoy')
    .option('--admin <ADDR>', 'Envoy’s admin address', '127.0.0.1:15000')
    .option('--fetch-timeout <SECONDS>', 'initial_fetch_timeout; 0 waits for configuration as long as it takes', '0')
    .action(async options => {
      exitCode = await (await import('./commands/bootstrap.ts')).printEnvoyBootstrap(options);
    });
  bootstrap
    .command('grpc')
    .description('for gRPC clients: the file that GRPC_XDS_BOOTSTRAP names')
    .option('--listen <ADDR>', 'where the agent listens', '127.0.0.1:15910')
    .option('--node-id <ID>', 'node.id', 'grpc')
    .option('--node-cluster <NAME>', 'node.cluster', '')
    .action(async options => {
      exitCode = await (await import('./commands/bootstrap.ts')).printGrpcBootstrap(options);
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end as an error, too; commander has printed what there is to say.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  return exitCode;
}

main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code;
  },
  (thrown: unknown) => {
    const error = AgentError.from(thrown);
    console.error(`weir: ${error.describe()}`);
    process.exitCode = error.exitCode;
  },
);
