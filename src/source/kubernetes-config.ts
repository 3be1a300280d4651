import type { OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import type { Cluster, KubeConfig } from '@kubernetes/client-node';
import { foreignText } from './kubernetes-answers.ts';
import type { KubernetesSettings } from './kubernetes-settings.ts';

/** Where the API server is and who asks it. */
export type Access = Pick<KubernetesSettings, 'kubeconfig' | 'context'>;

/** An API server and who asks it, as they stood in the kubeconfig when it was read. */
export interface LoadedAccess {
  readonly config: KubeConfig;
  readonly cluster: Cluster;
}

const withheld = '(withheld)';

/**
 * Reads the kubeconfig or the service account of the pod, anew at each call.
 *
 * No text of ours has a piece of the file: its parser's messages show the lines around a mistake, keys among them.
 *
 * @returns how to do so
 * @throws Error from the function, when there is none, or it names no cluster and user
 */
export async function accessLoader({ kubeconfig, context }: Access): Promise<() => LoadedAccess> {
  // Loaded here, since it costs 85 MB and half a second that nobody else should pay.
  const { KubeConfig } = await import('@kubernetes/client-node');
  return () => {
    const config = new KubeConfig();
    const origin = kubeconfig === undefined ? "the pod's service account" : `the kubeconfig ${kubeconfig}`;
    try {
      if (kubeconfig === undefined) config.loadFromCluster();
      else config.loadFromFile(kubeconfig);
    } catch (error) {
      throw new Error(`${origin} cannot be read: ${loadProblem(error)}`);
    }
    if (context !== undefined) config.setCurrentContext(context);
    if (config.getContextObject(config.getCurrentContext()) === null) {
      const known = config.getContexts().map(({ name }) => name);
      throw new Error(
        `${origin} has no context ${config.getCurrentContext() ?? '(none is current)'}; it has ${known.join(', ') || 'none'}`,
      );
    }
    const cluster = config.getCurrentCluster();
    if (!cluster || !config.getCurrentUser())
      throw new Error(
        `${origin} has no ${cluster ? 'user' : 'cluster'} of that name for its context ${config.getCurrentContext()}`,
      );
    checkServer(cluster, kubeconfig);
    return { config, cluster };
  };
}

function checkServer(cluster: Cluster, kubeconfig: string | undefined): void {
  if (kubeconfig === undefined && cluster.server.includes('//undefined:'))
    throw new Error('this is no pod of Kubernetes (KUBERNETES_SERVICE_HOST is not set); name a kubeconfig');
  if (!URL.canParse(cluster.server)) throw new Error(`the server of cluster ${cluster.name} is no URL`);
  if (new URL(cluster.server).protocol === 'http:' && !cluster.skipTLSVerify)
    throw new Error(
      `the server of cluster ${cluster.name} is plain http; use https, or insecure-skip-tls-verify where that is meant`,
    );
}

/**
 * Adds what proves who asks, and how the API server's certificate is checked. A token in a file is read again when it is old.
 *
 * @returns undefined, or why there is nothing to prove it with
 */
export async function addCredentials(
  { config, cluster }: LoadedAccess,
  options: RequestOptions,
): Promise<string | undefined> {
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    const user = config.getCurrentUser();
    if (user?.exec)
      return `the command ${foreignText(user.exec.command)} of user ${user.name} gave no credentials; run it by hand to see why`;
    return `the credentials of user ${user?.name} for cluster ${cluster.name} cannot be read: ${systemMessage(error) ?? 'they are not as they have to be'}`;
  }
  const headers = headersOf(options);
  const token = headers['Authorization'];
  // Files end with a line break, which a header must not have.
  if (typeof token === 'string') headers['Authorization'] = token.trim();
  return undefined;
}

function headersOf(options: RequestOptions): OutgoingHttpHeaders {
  // The other form of headers, a list, is never given here.
  return (options.headers ?? {}) as OutgoingHttpHeaders;
}

/** A text without what proves who asks. */
export function withoutSecrets(text: string, options: RequestOptions): string {
  const authorization = headersOf(options)['Authorization'];
  const token = typeof authorization === 'string' ? authorization.replace(/^\w+ /, '') : '';
  const password = options.auth?.slice(options.auth.indexOf(':') + 1) ?? '';
  return [token, password].reduce(
    (clean, secret) => (secret === '' ? clean : clean.replaceAll(secret, withheld)),
    text,
  );
}

/** The message of the operating system, which names paths and addresses and quotes no content. */
export function systemMessage(error: unknown): string | undefined {
  if (error instanceof AggregateError) return systemMessage(error.errors[0]);
  return error instanceof Error && 'syscall' in error ? error.message : undefined;
}

function loadProblem(error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  // Of client-node, such as `clusters[0].cluster.server is missing`.
  if (/^(clusters|users|contexts)\[\d+\]\S* is missing$/.test(message)) return message;
  const line = error instanceof Error && 'mark' in error ? lineOf(error.mark) : undefined;
  return systemMessage(error) ?? (line === undefined ? 'it is no kubeconfig' : `it is no YAML, at line ${line}`);
}

function lineOf(mark: unknown): number | undefined {
  const line = typeof mark === 'object' && mark !== null && 'line' in mark ? mark.line : undefined;
  return typeof line === 'number' ? line + 1 : undefined;
}
