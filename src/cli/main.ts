import { Command, CommanderError } from 'commander';
import { AgentError, exitCodes } from '../agent/errors.ts';
import { addAgentCommands } from './agent-commands.ts';
import { addSettingFlags } from './options.ts';
import { addBootstrapCommands, addKubeCommands } from './pod-commands.ts';
import { addProxyConfigCommands } from './proxy-config-commands.ts';
import { weirVersion } from './version.ts';

const examples = `
Examples:
  weir demo                                              watch it work, with nothing else installed
  weir run --upstream 10.0.0.5:18000                     local clients connect to 127.0.0.1:15910
  weir run --upstream cp:18000 --listen unix:/run/xds    the same on a Unix socket
  weir bootstrap envoy --listen unix:/run/xds            a bootstrap for Envoy that points at it
  weir validate --config weir.yaml                       check a configuration
  weir status                                            what works, since when something does not, what to do
  weir explain NAME                                      where a resource came from, who has it, or why it is missing
  weir events --since 5m                                 what has changed, and why
  weir wait --started                                    until the agent listens, before Envoy starts
  weir proxy-config clusters --cache-dir DIR             Envoy’s clusters that it holds, and who took them
  weir proxy-config mcp                                  Istio’s mesh configuration in the same way
  weir cache ls --cache-dir DIR                          what a restart would start from
  weir source --from DIR                                 serve Istio’s mesh configuration from manifests
  weir record --cache-dir DIR --out bug.ndjson           write down what the control plane says
  weir replay bug.ndjson                                 and be that control plane, somewhere else

Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration, 3 cache unusable.
`;

const cacheExamples = `
Examples:
  weir cache ls --cache-dir DIR                          by node and type
  weir cache ls CDS --cache-dir DIR                      every cluster: version, age, TTL, size, trust
  weir cache ls vs shop/reviews --cache-dir DIR          one VirtualService
  weir cache ls --resources -o json --cache-dir DIR      everything
`;

const sourceExamples = `
Examples:
  weir source --from mesh/                               serve a folder of manifests on 127.0.0.1:15930
  weir source --from mesh/ --check                       look for mistakes before somebody relies on it
  weir source --from kubernetes --namespace istio-mcp    gateways and virtual services of one namespace
  weir source --from kubernetes --all-namespaces --kind all
`;

type Done = (exitCode: number) => void;

/** Runs the command line; resolves to the exit code of the process. */
export async function main(argv: readonly string[]): Promise<number> {
  const [command] = argv;
  if (process.pid === 1) endOnSignals();
  // These look after it themselves.
  if (command !== 'run' && command !== 'record' && command !== 'source') watchOutput();
  // The demo has flags of its own and is the heaviest to load.
  if (command === 'demo') return (await import('./commands/demo.ts')).runDemo(argv.slice(1));
  let exitCode: number = exitCodes.ok;
  const program = createProgram(code => {
    exitCode = code;
  }, !isQuick(command));
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end as an error, too; commander has printed what there is to say.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  return exitCode;
}

/** Whether a command asks a running agent, and is to answer at once: the two hundred flags of the settings are not made for it. */
function isQuick(command: string | undefined): boolean {
  return /^(status|clients|events|explain|diff|drift|wait|drain|guard|log-level|proxy-config|pc)$/.test(command ?? '');
}

/**
 * Makes the command line. Nothing is done before it is parsed.
 *
 * @param done told the exit code of the command that ran
 * @param isWhole `run` and `validate` have their flags, too
 */
export function createProgram(done: Done, isWhole = true): Command {
  const program = new Command('weir')
    .description('An xDS sidecar agent: one stream to the control plane, a cache, a local xDS endpoint.')
    .version(weirVersion)
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText('after', examples);
  const run = program.command('run').description('run the agent');
  if (isWhole) addSettingFlags(run);
  run.action(async options => {
    done(await (await import('./commands/run.ts')).runAgent(options));
  });
  program.command('demo').description('show it at work with an embedded control plane, ends by itself');
  const validate = program.command('validate').description('check a configuration and name all that is wrong');
  if (isWhole) addSettingFlags(validate);
  validate.option('-o, --output <FORMAT>', 'text or json', 'text').action(async options => {
    done(await (await import('./commands/validate.ts')).validate(options));
  });
  addBootstrapCommands(program, done);
  addKubeCommands(program, done);
  addSourceCommand(program, done);
  addAgentCommands(program, done);
  addProxyConfigCommands(program, done);
  addCacheCommands(program, done);
  addRecordingCommands(program, done);
  return program;
}

/** What ends any other process has no effect on process 1, which a command is in a container, unless it listens: `weir wait` would go on to its time limit. */
function endOnSignals(): void {
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(signal, () => {
      // A command that ends in good order has its own listener.
      if (process.listenerCount(signal) === 1) process.exit(128 + number);
    });
  }
}

/** Whoever reads what is printed may have seen enough; that it cannot be written for another reason is a failure. */
function watchOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    console.error(`weir: cannot write to standard output: ${error.message}`);
    process.exit(exitCodes.failed);
  });
}

/** Adds the command that serves mesh configuration. */
function addSourceCommand(program: Command, done: Done): void {
  const list = (value: string, before: readonly string[] = []): readonly string[] => [...before, ...value.split(',')];
  const command = program
    .command('source')
    .description('serve Istio’s mesh configuration (MCP over xDS) from a folder or from Kubernetes');
  command
    .option('--from <DIR>', 'a folder of manifests, which is watched; or the word kubernetes')
    .option('--listen <ADDR>', 'where clients connect, several by commas [127.0.0.1:15930]', list)
    .option('--health <ADDR>', 'where /healthz/*, /metrics and /status are; none without it', list)
    .option('--tls-cert <FILE>', 'certificate chain (PEM) for TCP addresses; needed where others can reach them')
    .option('--tls-key <FILE>', 'its private key (PEM)')
    .option('--tls-client-ca <FILE>', 'CA bundle (PEM) that client certificates are checked by')
    .option('--default-namespace <NAME>', 'folder: namespace of objects that name none', 'default')
    .option('--rescan <TIME>', 'folder: how often it is looked at whatever the watches say', '10s')
    .option('--check', 'folder: say what is wrong in it, with file and line, and end; exit code 2 if anything is')
    .option('--namespace <NAME>', 'kubernetes: namespaces to read, several by commas [that of the pod]', list)
    .option('--all-namespaces', 'kubernetes: read all; needs a ClusterRole')
    .option(
      '--kind <KIND>',
      'kubernetes: kinds to read, several by commas, or all [Gateway,VirtualService]; others are answered empty',
      list,
    )
    .option('--mesh-config-map <NS/NAME>', 'kubernetes: ConfigMap whose key mesh is the MeshConfig')
    .option('--kubeconfig <FILE>', 'kubernetes: instead of the service account of the pod')
    .option('--context <NAME>', 'kubernetes: context of the kubeconfig')
    .option('--resync <TIME>', 'kubernetes: how often everything is listed again', '30m')
    .option('--objects-max <N>', 'most objects: of a folder, or of one kind in Kubernetes', '20000')
    .option('--files-max <N>', 'folder: most manifests', '10000')
    .option('--file-bytes-max <SIZE>', 'folder: largest manifest', '4MiB')
    .option('--object-bytes-max <SIZE>', 'kubernetes: largest object', '2MiB')
    .option('--log-level <LEVEL>', 'trace, debug, info, warn, error or silent', 'info')
    .option('--log-format <FORMAT>', 'auto, json or pretty', 'auto')
    .option('-o, --output <FORMAT>', 'of --check: text or json', 'text')
    .addHelpText('after', sourceExamples)
    .action(async options => {
      done(await (await import('./commands/source.ts')).source(options));
    });
}

/** Adds the commands that write down what is said upstream, and say it again. */
function addRecordingCommands(program: Command, done: Done): void {
  program
    .command('record')
    .description(
      'write down what a running agent and its control plane say to each other; keys and tokens are left out',
    )
    .option('--out <FILE>', 'where the recording goes; - for standard output')
    .option('--for <TIME>', 'end after this time; without it, Ctrl-C ends it')
    .option('--max-bytes <SIZE>', 'end before the recording is larger', '256MiB')
    .option(
      '--resumed',
      'leave the streams alone, and record only those that are opened from then on: else they are opened anew once',
    )
    .option('--admin <ADDR>', 'the agent’s admin socket, unix:/path (WEIR_ADMIN)')
    .option('--cache-dir <DIR>', 'its cache directory, where its admin socket is (WEIR_CACHE_DIR)')
    .option('-o, --output <FORMAT>', 'how the summary is written: text or json', 'text')
    .action(async options => {
      done(await (await import('./commands/record.ts')).record(options));
    });
  program
    .command('replay')
    .description('be the control plane of a recording, for any agent or client that connects (plaintext)')
    .argument('<FILE>', 'the recording; - for standard input')
    .option('--listen <ADDR>', 'where it listens', '127.0.0.1:18000')
    .option('--paced', 'keep the times of the recording; else everything comes as soon as it is asked for')
    .option(
      '--check',
      'end when all was played; exit code 1 if clients said something else than was recorded. A request that does not come is waited for 2 s',
    )
    .option('--for <TIME>', 'end after this time')
    .option('-o, --output <FORMAT>', 'text or json', 'text')
    .action(async (file: string, options) => {
      done(await (await import('./commands/replay.ts')).replay(file, options));
    });
}

/** Adds the commands for the disk cache. With a running agent they ask it, else they open the file. */
function addCacheCommands(program: Command, done: Done): void {
  const cache = program.command('cache').description('the disk cache: ls, verify, export, import, purge, own');
  const add = (name: string, description: string): Command =>
    cache
      .command(name)
      .description(description)
      .option('--cache-dir <DIR>', 'the cache directory (WEIR_CACHE_DIR)')
      .option('--secrets-key-file <FILE>', 'key of sealed secrets and bundles (WEIR_SECRETS_KEY_FILE)')
      .option('-o, --output <FORMAT>', 'text or json', 'text');
  const commands = () => import('./commands/cache.ts');
  add('ls', 'what is on disk, by node and type, or resource by resource')
    .argument('[TYPE]', 'resources of this type: CDS, VirtualService, vs … or a type URL')
    .argument('[NAME]', 'this resource only')
    .option('--resources', 'the resources of all types')
    .addHelpText('after', cacheExamples)
    .action(async (type: string | undefined, name: string | undefined, options) => {
      done(await (await commands()).cacheLs(type, name, options));
    });
  add('verify', 'read everything and check it').action(async options => {
    done(await (await commands()).cacheVerify(options));
  });
  add('export', 'write a seed bundle for pods that start during an outage; secrets are never in it')
    .option('--out <FILE>', 'where it goes; - for standard output')
    .option(
      '--match <FIELDS>',
      'parts of the node that it is bound to: id, cluster, locality, metadata, metadata.KEY',
      'cluster',
    )
    .option('--sign-key <FILE>', 'sign it: Ed25519 private key (PEM)')
    .option('--encrypt-key <FILE>', 'encrypt it: 32 raw bytes or 64 hex digits')
    .action(async options => {
      done(await (await commands()).cacheExport(options));
    });
  add('import', 'take a bundle into the cache of an agent that does not run')
    .argument('<FILE>')
    .option('--verify-key <FILE>', 'refuse it unless this Ed25519 public key (PEM) verifies it')
    .action(async (file: string, options) => {
      done(await (await commands()).cacheImport(file, options));
    });
  add('own', 'as root: give the cache directory to the user that the agent runs as, where a volume is made as root’s')
    .option('--user <UID>', 'its user and group, a number')
    .action(async options => {
      done(await (await commands()).cacheOwn(options));
    });
  add('purge', 'drop what is on disk; of a running agent, what it does not use')
    .option('--view <KEY>', 'this node only (see ls -o json)')
    .action(async options => {
      done(await (await commands()).cachePurge(options));
    });
}

// Whoever runs Weir can do nothing about what a library does in an old way: grpc-js names an IP address to TLS, which Node.js warns of (DEP0123).
process.noDeprecation = true;

// What only looks at the commands, as a test of the documents does, runs none.
if (import.meta.main !== false) {
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
}
