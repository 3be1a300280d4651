import type { Command } from 'commander';

const envoyExamples = `
Examples:
  weir bootstrap envoy --listen unix:/var/run/weir/xds.sock > envoy.yaml
  weir bootstrap envoy --merge my-envoy.yaml --out envoy.yaml     your own bootstrap, with Weir as its control plane
`;

const podExamples = `
Example, as weir inject puts it into pods:
  weir bootstrap pod --directory /var/run/weir --listen unix:/var/run/weir/xds.sock --node-id web-1.shop
`;

type Done = (exitCode: number) => void;

/** Adds the commands that write bootstraps of clients. */
export function addBootstrapCommands(program: Command, done: Done): void {
  const bootstrap = program.command('bootstrap').description('print a client bootstrap that points at the agent');
  const commands = () => import('./commands/bootstrap.ts');
  const envoy = bootstrap.command('envoy').description('for Envoy: ADS over the agent’s address');
  addNode(envoy, 'envoy', 'envoy');
  addEnvoy(envoy)
    .option('--format <FORMAT>', 'yaml or json [yaml, or that of --merge]')
    .option('--out <FILE>', 'write into this file; else standard output')
    .addHelpText('after', envoyExamples)
    .action(async options => {
      done(await (await commands()).printEnvoyBootstrap(options));
    });
  const grpc = bootstrap.command('grpc').description('for gRPC clients: the file that GRPC_XDS_BOOTSTRAP names');
  addNode(grpc, 'grpc', '');
  addGrpc(grpc)
    .option('--out <FILE>', 'write into this file; else standard output')
    .action(async options => {
      done(await (await commands()).printGrpcBootstrap(options));
    });
  const pod = bootstrap
    .command('pod')
    .description('for the containers of a pod: envoy.yaml and grpc.json in a directory, with one node');
  pod
    .requiredOption('--directory <DIR>', 'where they are written')
    .option('--for <CLIENTS>', 'envoy, grpc or both', 'envoy,grpc');
  addNode(pod, 'pod', 'pod');
  addGrpc(addEnvoy(pod))
    .addHelpText('after', podExamples)
    .action(async options => {
      done(await (await commands()).writePodBootstraps(options));
    });
}

function addNode(command: Command, id: string, cluster: string): void {
  command
    .option('--listen <ADDR>', 'where the agent listens', '127.0.0.1:15910')
    .option('--node-id <ID>', 'node.id', id)
    .option('--node-cluster <NAME>', 'node.cluster', cluster)
    .option('--node-region <NAME>', 'node.locality.region')
    .option('--node-zone <NAME>', 'node.locality.zone')
    .option('--node-sub-zone <NAME>', 'node.locality.sub_zone')
    .option('--node-metadata <JSON>', 'node.metadata as a JSON object')
    .option('--labels-file <FILE>', 'labels of the pod (downward API), which become node.metadata.LABELS');
}

function addEnvoy(command: Command): Command {
  return command
    .option('--variant <VARIANT>', 'delta or sotw', 'delta')
    .option('--admin <ADDR>', 'Envoy’s admin address', '127.0.0.1:15000')
    .option('--fetch-timeout <SECONDS>', 'initial_fetch_timeout; 0 waits for configuration as long as it takes', '0')
    .option('--ready-listen <ADDR>', 'where GET /ready answers 200 once Envoy has its configuration, for a probe')
    .option('--merge <FILE>', 'a bootstrap of your own (YAML or JSON) that this goes into; all of its own stays');
}

function addGrpc(command: Command): Command {
  const collect = (value: string, before: readonly string[]): readonly string[] =>
    before === defaultFeatures ? [value] : [...before, value];
  return command.option(
    '--server-feature <NAME>',
    'of the gRPC bootstrap; several by repetition',
    collect,
    defaultFeatures,
  );
}

/** What a server of version 3 of the protocol is announced by. */
const defaultFeatures: readonly string[] = ['xds_v3'];
