import { X509Certificate } from 'node:crypto';
import { type ApiAnswer, type ApiClient, refusalOf } from './api-client.ts';
import { makeSelfSigned, type SelfSigned } from './certificate.ts';
import { type Data, objectOf, objectsIn, textIn } from './data.ts';
import type { CertificateSource, ServingCertificate, WebhookLine } from './webhook.ts';

/** Where the certificate is kept, and who is to trust it. */
export interface SelfSignedOptions {
  readonly namespace: string;
  /** Secret (kubernetes.io/tls) that all replicas share: `tls.crt`, `tls.key`, `ca.crt`. */
  readonly secret: string;
  /** MutatingWebhookConfiguration whose webhooks get the CA bundle. */
  readonly configuration: string;
  /** DNS names and IP addresses that the API server calls the webhook by. */
  readonly names: readonly string[];
  readonly log: (line: WebhookLine) => void;
  /** Told what is wrong while something is; undefined when nothing is any more. */
  readonly trouble: (text: string | undefined) => void;
}

const dayMs = 86_400_000;
const lifeMs = 365 * dayMs;
/** A new one is made when a third of its life is left: time enough to see that it fails. */
const renewedBeforeMs = lifeMs / 3;
/** How often it is looked whether everything is as it should be. Applying the manifests anew may empty the CA bundle. */
const lookMs = 30_000;
const retryMs = 2_000;

/** A certificate that replicas make for themselves, keep in a Secret, and have the API server trust. Made anew before it ends. */
export class SelfSignedSource implements CertificateSource {
  readonly #api: ApiClient;
  readonly #options: SelfSignedOptions;
  readonly #listeners: ((certificate: ServingCertificate) => void)[] = [];
  #current: ServingCertificate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #trouble: string | undefined;

  constructor(api: ApiClient, options: SelfSignedOptions) {
    this.#api = api;
    this.#options = options;
    void this.#look();
  }

  get current(): ServingCertificate | undefined {
    return this.#current;
  }

  onChange(listener: (certificate: ServingCertificate) => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const trouble = await this.#keepUp().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (this.#isClosed) return;
    if (trouble !== this.#trouble) {
      const fields = { secret: this.#options.secret, configuration: this.#options.configuration };
      if (trouble === undefined)
        this.#options.log({ level: 'info', message: 'the certificate is kept up again', fields });
      else this.#options.log({ level: 'error', message: `the certificate cannot be kept up: ${trouble}`, fields });
      this.#trouble = trouble;
      this.#options.trouble(trouble);
    }
    this.#timer = setTimeout(() => void this.#look(), trouble === undefined ? lookMs : retryMs).unref();
  }

  async #keepUp(): Promise<void> {
    const { secret, bundle } = await this.#secret();
    // The new CA is trusted before its certificate is shown; the old one is, for as long as a replica shows the old certificate.
    await this.#trust(bundle);
    if (String(this.#current?.cert) === secret.cert) return;
    const certificate = { ...secret, notAfterMs: endOf(secret.cert) };
    const isFirst = this.#current === undefined;
    this.#current = certificate;
    const fields = { validUntil: new Date(certificate.notAfterMs).toISOString() };
    this.#options.log({
      level: 'info',
      message: isFirst ? 'the certificate is ready' : 'a new certificate is in use',
      fields,
    });
    for (const listener of this.#listeners) listener(certificate);
  }

  /** What the Secret has, after it was made or made anew if need be. Of two replicas that do so at the same time one wins. */
  async #secret(): Promise<{ readonly secret: SelfSigned; readonly bundle: string }> {
    const { namespace, secret: name } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const found = await this.#api.ask('GET', `${path}/${name}`);
    if (found.status !== 200 && found.status !== 404)
      throw new Error(`Secret ${namespace}/${name}: ${refusalOf(found)}`);
    const held = found.status === 200 ? readSecret(found.body) : undefined;
    if (held && isGood(held, this.#options.names)) return { secret: held, bundle: held.ca };
    const made = await makeSelfSigned(this.#options.names, Date.now(), lifeMs);
    const bundle = held && endOf(held.cert) > Date.now() ? made.ca + firstCertificate(held.ca) : made.ca;
    const object = secretObject(namespace, name, { ...made, ca: bundle });
    const metadata = { ...objectOf(found.body['metadata']) };
    const done = await (found.status === 404
      ? this.#api.ask('POST', path, object)
      : this.#api.ask('PUT', `${path}/${name}`, { ...object, metadata }));
    if (done.status === 409)
      throw new Error(`another replica has just written Secret ${namespace}/${name}; it is read next`);
    if (done.status >= 300) throw new Error(`Secret ${namespace}/${name} cannot be written: ${refusalOf(done)}`);
    this.#options.log({ level: 'info', message: 'made a certificate', fields: { secret: `${namespace}/${name}` } });
    return { secret: { ...made, ca: bundle }, bundle };
  }

  /** Sees to it that the webhooks' CA bundle is this one. */
  async #trust(bundle: string): Promise<void> {
    const { configuration } = this.#options;
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${configuration}`;
    const found = await this.#api.ask('GET', path);
    if (found.status !== 200) throw new Error(`MutatingWebhookConfiguration ${configuration}: ${refusalOf(found)}`);
    const wanted = Buffer.from(bundle).toString('base64');
    const operations = objectsIn(found.body['webhooks']).flatMap((webhook, at) => {
      const client = objectOf(webhook['clientConfig']);
      if (textIn(client, 'caBundle') === wanted) return [];
      return [
        // Somebody may have put another one in front meanwhile.
        { op: 'test', path: `/webhooks/${at}/name`, value: webhook['name'] },
        { op: 'add', path: `/webhooks/${at}/clientConfig/caBundle`, value: wanted },
      ];
    });
    if (operations.length === 0) return;
    const done: ApiAnswer = await this.#api.ask('PATCH', path, operations, 'application/json-patch+json');
    if (done.status >= 300) throw new Error(`the CA bundle of ${configuration} cannot be written: ${refusalOf(done)}`);
    const fields = { configuration, webhooks: operations.length / 2 };
    this.#options.log({ level: 'info', message: 'wrote the CA bundle', fields });
  }
}

function secretObject(namespace: string, name: string, { ca, cert, key }: SelfSigned): Data {
  const encoded = (text: string): string => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/name': 'weir-webhook' } },
    data: { 'ca.crt': encoded(ca), 'tls.crt': encoded(cert), 'tls.key': encoded(key) },
  };
}

/** @returns undefined where something is missing */
function readSecret(object: Data): SelfSigned | undefined {
  const data = objectOf(object['data']);
  const [ca, cert, key] = ['ca.crt', 'tls.crt', 'tls.key'].map(name =>
    Buffer.from(textIn(data, name) ?? '', 'base64').toString('utf8'),
  );
  return ca && cert && key ? { ca, cert, key } : undefined;
}

/** Whether it can be used, for long enough, for all names. */
function isGood({ ca, cert }: SelfSigned, names: readonly string[]): boolean {
  try {
    const own = new X509Certificate(cert);
    const hasNames = names.every(name => (own.checkHost(name) ?? own.checkIP(name)) !== undefined);
    return hasNames && own.verify(new X509Certificate(ca).publicKey) && endOf(cert) - Date.now() > renewedBeforeMs;
  } catch {
    // Somebody else's content: it is made anew.
    return false;
  }
}

function endOf(cert: string): number {
  try {
    return new X509Certificate(cert).validToDate.getTime();
  } catch {
    return 0;
  }
}

/** Of a bundle the newest CA, which stands first: it never has more than two. */
function firstCertificate(bundle: string): string {
  return /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/.exec(bundle)?.[0] ?? '';
}
