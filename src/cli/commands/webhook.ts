import { AgentError, exitCodes } from '../../agent/errors.ts';
import { createLogger, type Logger } from '../../agent/log.ts';
import { logLevels } from '../../agent/log-levels.ts';
import { addresses, duration, oneOf, type Parsed } from '../../agent/setting-values.ts';
import { preferSmallHeap } from '../../agent/small-heap.ts';
import { describeTls } from '../../agent/tls-notes.ts';
import type { CertificateSource, WebhookLine } from '../../kube/webhook.ts';
import { startWebhook } from '../../kube/webhook.ts';
import { WebhookStatus } from '../../kube/webhook-status.ts';
import { TlsFiles } from '../../net/tls-files.ts';
import { type DefaultsOptions, defaultLayers } from '../injection-defaults.ts';
import { podNamespace } from '../pod-namespace.ts';
import { weirVersion } from '../version.ts';
import { stopOnSignals } from './run.ts';

/** Options of `weir webhook`. */
export interface WebhookCommandOptions extends DefaultsOptions {
  readonly listen: string;
  readonly health?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly selfSigned?: boolean | undefined;
  readonly service: string;
  readonly namespace?: string | undefined;
  readonly tlsSecret: string;
  readonly tlsHost?: readonly string[] | undefined;
  readonly webhookConfiguration: string;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly invalid: string;
  readonly drainTime: string;
  readonly logLevel: string;
  readonly logFormat: string;
}

const drainMsMax = 600_000;

/** `weir webhook`: the admission webhook that puts Weir into pods; runs until a signal ends it. */
export async function webhook(options: WebhookCommandOptions): Promise<number> {
  preferSmallHeap();
  const problems: string[] = [];
  const value = <T>(flag: string, text: string, parsed: Parsed<T>): T | undefined => {
    if ('value' in parsed) return parsed.value;
    problems.push(`${flag} ${parsed.error} (given: '${text}')`);
    return undefined;
  };
  const { listen, health, invalid, drainTime, logLevel, logFormat } = options;
  const listenAddresses = value('--listen', listen, addresses(listen));
  const healthAddresses = health === undefined ? [] : value('--health', health, addresses(health));
  const onInvalid = value('--invalid', invalid, oneOf('allow', 'deny')(invalid));
  const drainMs = value('--drain-time', drainTime, duration(drainTime, 0, drainMsMax));
  const level = value('--log-level', logLevel, oneOf(...logLevels)(logLevel));
  const format = value('--log-format', logFormat, oneOf('auto', 'json', 'pretty')(logFormat));
  const hasFiles = options.tlsCert !== undefined && options.tlsKey !== undefined;
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
    problems.push('--tls-cert and --tls-key belong together');
  } else if (hasFiles === (options.selfSigned === true)) {
    problems.push('give either --tls-cert and --tls-key, or --self-signed: the API server speaks TLS only');
  }
  const namespace = options.selfSigned ? (options.namespace ?? podNamespace()) : '';
  if (namespace === undefined) problems.push('--self-signed outside of a pod needs --namespace');
  if (
    problems.length > 0 ||
    !listenAddresses ||
    !healthAddresses ||
    !onInvalid ||
    drainMs === undefined ||
    !level ||
    !format
  ) {
    for (const problem of problems) console.error(`weir: ${problem}`);
    return exitCodes.usage;
  }
  const defaults = await defaultLayers(options);
  const log = await createLogger({ level, format, isTty: process.stdout.isTTY === true });
  const write = ({ level: at, fields, message }: WebhookLine): void => log[at](fields, message);
  const status = new WebhookStatus();
  const starting = certificateOf(options, namespace ?? '', status, write)
    .then(certificate =>
      startWebhook({
        listen: listenAddresses,
        health: healthAddresses,
        reviews: { defaults, version: weirVersion, invalid: onInvalid },
        certificate,
        drainMs,
        status,
        log: write,
      }),
    )
    .catch((cause: unknown) => {
      throw new AgentError('the webhook cannot start', { cause, exitCode: exitCodes.failed });
    });
  await untilStopped(starting, log);
  process.exit(exitCodes.ok);
}

async function untilStopped(starting: Promise<{ stop(reason: string): Promise<void> }>, log: Logger): Promise<void> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  let isUp = false;
  stopOnSignals({
    signals: process,
    drain: async reason => {
      // One that waits for its certificate, with the API server away, has nothing to end in good order.
      if (isUp) await (await starting).stop(reason);
      stop();
    },
    exit: code => process.exit(code),
    log,
  });
  await Promise.race([starting, stopped]);
  isUp = true;
  await stopped;
}

async function certificateOf(
  options: WebhookCommandOptions,
  namespace: string,
  status: WebhookStatus,
  log: (line: WebhookLine) => void,
): Promise<CertificateSource> {
  const { tlsCert, tlsKey, service } = options;
  if (tlsCert !== undefined && tlsKey !== undefined) return fileSource(tlsCert, tlsKey, status, log);
  const { ApiClient } = await import('../../kube/api-client.ts');
  const { SelfSignedSource } = await import('../../kube/self-signed.ts');
  const host = `${service}.${namespace}`;
  return new SelfSignedSource(await ApiClient.create({ kubeconfig: options.kubeconfig, context: options.context }), {
    namespace,
    secret: options.tlsSecret,
    configuration: options.webhookConfiguration,
    names: [`${host}.svc`, host, service, `${host}.svc.cluster.local`, ...(options.tlsHost ?? [])],
    log,
    trouble: text => {
      status.trouble = text;
    },
  });
}

async function fileSource(
  cert: string,
  key: string,
  status: WebhookStatus,
  log: (line: WebhookLine) => void,
): Promise<CertificateSource> {
  const files = await TlsFiles.open({ cert, key, ca: undefined }, note => {
    status.trouble = note.kind === 'tls_unusable' ? note.error : undefined;
    log(describeTls(note));
  });
  return {
    get current() {
      return files.current;
    },
    onChange: listener => void files.onChange(listener),
    close: () => files.close(),
  };
}
