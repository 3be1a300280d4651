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

const injectExamples = `
Examples:
  weir inject -f deployment.yaml --upstream cp:18000 | kubectl apply -f -
  weir inject -f deployment.yaml --dry-run               what would change, as a diff
  weir inject -f a.yaml -f b.yaml --in-place             rewrite the files, comments and all
  helm template shop | weir inject -f - --upstream cp:18000 --default cache=none

Settings of a pod are annotations weir.dev/NAME, which beat --default NAME=VALUE; weir.dev/inject: "false" leaves a pod
alone. All of them: docs/injection.md. Exit codes: 0 fine, 1 a pod cannot be injected as it asks, 2 wrong usage.
`;

const webhookExamples = `
Examples:
  weir webhook --self-signed --defaults /etc/weir/defaults.yaml          in a pod, as deploy/kubernetes/webhook has it
  weir webhook --tls-cert tls.crt --tls-key tls.key --upstream cp:18000  with a certificate of cert-manager or your own

POST /inject puts Weir into pods that ask for it (label or annotation weir.dev/inject: "true"), POST /inject/namespace into
all that do not refuse it. docs/injection.md has the annotations, and what happens while the webhook is away.
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

/** Adds the commands that put Weir into pods. */
export function addKubeCommands(program: Command, done: Done): void {
  const inject = program
    .command('inject')
    .description(
      'put Weir into the pods of Kubernetes manifests: any workload, YAML or JSON; what is there already stays',
    );
  inject.option('-f, --file <FILE>', 'manifests, may be given several times; - is standard input', collect);
  addDefaults(inject)
    .option('--dry-run', 'write a diff, and nothing else')
    .option('--in-place', 'write the files anew')
    .option('--out <FILE>', 'write into this file; else standard output')
    .option('-o, --output <FORMAT>', 'text, or json with what became of each pod', 'text')
    .addHelpText('after', injectExamples)
    .action(async options => {
      done(await (await import('./commands/inject.ts')).injectFiles(options));
    });
  const webhook = program
    .command('webhook')
    .description('the admission webhook that puts Weir into pods as they are made');
  webhook
    .option('--listen <ADDR>', 'where the API server connects, by TLS', '0.0.0.0:9443')
    .option('--health <ADDR>', 'where /healthz/*, /metrics and /status are; none without it')
    .option('--tls-cert <FILE>', 'certificate chain (PEM); read again when it changes')
    .option('--tls-key <FILE>', 'its private key (PEM)')
    .option('--self-signed', 'make a certificate, keep it in a Secret, write its CA into the webhook configuration')
    .option('--service <NAME>', 'self-signed: Service by which the API server calls it', 'weir-webhook')
    .option('--namespace <NAME>', 'self-signed: its namespace [that of the pod]')
    .option('--tls-secret <NAME>', 'self-signed: Secret that all replicas share', 'weir-webhook-tls')
    .option('--tls-host <NAME>', 'self-signed: a further DNS name or IP address of the certificate', collect)
    .option('--webhook-configuration <NAME>', 'self-signed: MutatingWebhookConfiguration that gets the CA', 'weir')
    .option('--kubeconfig <FILE>', 'self-signed: instead of the service account of the pod')
    .option('--context <NAME>', 'self-signed: context of the kubeconfig');
  addDefaults(webhook)
    .option(
      '--invalid <MODE>',
      'a pod whose annotations are wrong: allow (without Weir, with a warning) or deny',
      'allow',
    )
    .option('--drain-time <TIME>', 'how long reviews are still taken after a signal to stop', '5s')
    .option('--log-level <LEVEL>', 'trace, debug, info, warn, error or silent', 'info')
    .option('--log-format <FORMAT>', 'auto, json or pretty', 'auto')
    .addHelpText('after', webhookExamples)
    .action(async options => {
      done(await (await import('./commands/webhook.ts')).webhook(options));
    });
}

/** Flags that say what holds where a pod says nothing. */
function addDefaults(command: Command): Command {
  return command
    .option('--upstream <ADDR>', 'control planes of pods that name none')
    .option('--image <IMAGE>', 'image of Weir')
    .option('--default <NAME=VALUE>', 'an annotation without its prefix, for pods that do not have it', collect)
    .option('--defaults <FILE>', 'the same as a YAML file of names and values');
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
