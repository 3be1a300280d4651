import type { Command } from 'commander';

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
