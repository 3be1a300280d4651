import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CoreV1Api,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  PatchStrategy,
} from '@kubernetes/client-node';
import {
  makeFolder,
  pickFreePort,
  type RunningProcess,
  removeFolder,
  startProcess,
  waitFor,
} from '../../src/demo/processes.ts';
import { type Identity, selfSignedCertificate } from './certificate.ts';

const adminToken = 'admin-of-this-run';
const startMsMax = 90_000;

/** A real Kubernetes API server with its store on loopback; nothing else of a cluster. */
export class RealCluster {
  readonly #apiserver: string;
  readonly #etcd: string;
  readonly folder = makeFolder();
  readonly identity: Identity = selfSignedCertificate();
  readonly #processes: RunningProcess[] = [];
  #server: RunningProcess | undefined;
  #etcdPort = 0;
  #port = 0;

  private constructor(apiserver: string, etcd: string) {
    this.#apiserver = apiserver;
    this.#etcd = etcd;
  }

  static async start(binaries: { readonly apiserver: string; readonly etcd: string }): Promise<RealCluster> {
    const cluster = new RealCluster(binaries.apiserver, binaries.etcd);
    try {
      await cluster.#startEtcd();
      await cluster.startServer();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get port(): number {
    return this.#port;
  }

  file(name: string, content: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  async #startEtcd(): Promise<void> {
    const [client, peer] = [await pickFreePort(), await pickFreePort()];
    this.#etcdPort = client;
    const url = (port: number): string => `http://127.0.0.1:${port}`;
    const etcd = await startProcess('etcd', this.#etcd, [
      ...['--data-dir', join(this.folder, 'etcd')],
      ...['--listen-client-urls', url(client), '--advertise-client-urls', url(client)],
      ...['--listen-peer-urls', url(peer), '--initial-advertise-peer-urls', url(peer)],
      ...['--initial-cluster', `default=${url(peer)}`, '--unsafe-no-fsync'],
    ]);
    this.#processes.push(etcd);
    await waitFor('etcd', startMsMax, () => answers(`${url(client)}/health`), [etcd]);
  }

  /**
   * Starts the API server, always on the same port.
   *
   * @param hasAccounts whether pods have to have a ServiceAccount that is there, as in a cluster, where a controller makes the one called default
   */
  async startServer(more: readonly string[] = [], hasAccounts = false): Promise<void> {
    this.#port ||= await pickFreePort();
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    // Tokens outlive the API server, so the key does.
    const isFirst = this.#processes.length === 1;
    const key = join(this.folder, 'accounts.key');
    if (isFirst) {
      this.file('accounts.key', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
      this.file('accounts.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString());
      this.file('tokens.csv', `${adminToken},admin,admin,system:masters\n`);
    }
    const server = await startProcess('kube-apiserver', this.#apiserver, [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      ...['--bind-address=127.0.0.1', `--secure-port=${this.#port}`, '--advertise-address=127.0.0.1'],
      `--tls-cert-file=${this.file('server.pem', this.identity.cert)}`,
      `--tls-private-key-file=${this.file('server.key', this.identity.key)}`,
      `--token-auth-file=${join(this.folder, 'tokens.csv')}`,
      ...['--authorization-mode=RBAC', '--service-account-issuer=https://kubernetes.default.svc'],
      ...[
        `--service-account-key-file=${join(this.folder, 'accounts.pub')}`,
        `--service-account-signing-key-file=${key}`,
      ],
      ...[
        '--service-cluster-ip-range=10.0.0.0/24',
        ...(hasAccounts ? [] : ['--disable-admission-plugins=ServiceAccount']),
      ],
      ...['--endpoint-reconciler-type=none', `--cert-dir=${this.folder}`],
      ...more,
    ]);
    this.#server = server;
    this.#processes.push(server);
    await waitFor('the API server', startMsMax, () => this.#isReady(), [server]);
  }

  /** Ends the API server with SIGKILL. */
  async killServer(): Promise<void> {
    await this.#server?.kill();
  }

  async #isReady(): Promise<true | undefined> {
    try {
      await this.get('/readyz', adminToken);
      return true;
    } catch {
      // It is not there yet, or has not made its roles yet; the wait has its own end.
      return undefined;
    }
  }

  /** Status and body of a GET, asked with a token. @throws Error when it is not 200 */
  async get(path: string, token: string): Promise<string> {
    const { status, text } = await this.ask(path, token);
    if (status !== 200) throw new Error(`${path} answered ${status}: ${text}`);
    return text;
  }

  async ask(path: string, token: string): Promise<{ readonly status: number; readonly text: string }> {
    const { request } = await import('node:https');
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host: 'localhost',
          port: this.#port,
          path,
          ca: this.identity.cert,
          headers: { authorization: `Bearer ${token}` },
        },
        response => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', chunk => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          response.on('error', reject);
        },
      );
      asked.on('error', reject);
      asked.end();
    });
  }

  #admin(): KubeConfig {
    const config = new KubeConfig();
    config.loadFromString(this.adminKubeconfig());
    return config;
  }

  /** A kubeconfig (JSON is YAML) for who may do everything. */
  adminKubeconfig(): string {
    return this.kubeconfig(adminToken, this.#port);
  }

  /** A kubeconfig (JSON is YAML) for who has this token. */
  kubeconfig(token: string, port: number): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'real',
      clusters: [
        {
          name: 'real',
          cluster: {
            server: `https://localhost:${port}`,
            'certificate-authority-data': Buffer.from(this.identity.cert).toString('base64'),
          },
        },
      ],
      users: [{ name: 'weir', user: { token } }],
      contexts: [{ name: 'real', context: { cluster: 'real', user: 'weir' } }],
    });
  }

  /** Creates or updates an object. @returns its version */
  async apply(object: KubernetesObject & Readonly<Record<string, unknown>>): Promise<string> {
    const api = KubernetesObjectApi.makeApiClient(this.#admin());
    const done = await api.patch(object, undefined, undefined, 'weir-test', true, PatchStrategy.ServerSideApply);
    return done.metadata?.resourceVersion ?? '';
  }

  async delete(object: KubernetesObject & Readonly<Record<string, unknown>>): Promise<void> {
    await KubernetesObjectApi.makeApiClient(this.#admin()).delete(object);
  }

  /** A token of a service account (TokenRequest). */
  async token(namespace: string, name: string): Promise<string> {
    const core = this.#admin().makeApiClient(CoreV1Api);
    const { status } = await core.createNamespacedServiceAccountToken({
      namespace,
      name,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: [], expirationSeconds: 3600 },
      },
    });
    if (!status?.token) throw new Error('the TokenRequest gave no token');
    return status.token;
  }

  /** Has etcd forget everything before now, as Kubernetes does each five minutes. */
  async compact(): Promise<void> {
    const call = async (path: string, body: unknown): Promise<{ readonly header: { readonly revision: string } }> => {
      const answer = await fetch(`http://127.0.0.1:${this.#etcdPort}/v3/kv/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`etcd answered ${path} with ${answer.status}: ${await answer.text()}`);
      return (await answer.json()) as { readonly header: { readonly revision: string } };
    };
    const { header } = await call('range', { key: Buffer.from('a').toString('base64') });
    await call('compaction', { revision: header.revision, physical: true });
  }

  /** Ends what was started, and only that. */
  async stop(): Promise<void> {
    for (const process of [...this.#processes].reverse()) await process.stop(10_000);
    removeFolder(this.folder);
  }
}

async function answers(url: string): Promise<true | undefined> {
  try {
    return (await fetch(url)).ok || undefined;
  } catch {
    // Nobody listens yet; the wait has its own end.
    return undefined;
  }
}
