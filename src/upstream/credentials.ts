import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, type PeerCertificate } from 'node:tls';
import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import { namesOfCertificate } from '../net/certificate-names.ts';
import { type ClientTlsMaterial, type ClientTlsPaths, readClientTls } from '../net/client-tls.ts';
import { parseAddress } from '../xds/address.ts';
import type { Identification } from './connection-pool.ts';
import { dialWords } from './dial-words.ts';
import { type ExpiryStage, expiryStage, readToken, tokenExpiryMs } from './token.ts';

/** By what servers know us, and we them. */
export interface CredentialSettings {
  /** Undefined for plain text. It is for TCP: a Unix socket is protected by its file. */
  readonly tls: ClientTlsPaths | undefined;
  /** Name that the server's certificate is checked for; undefined for the host of the address. */
  readonly serverName: string | undefined;
  /** One of these has to be among the alternative names of the server's certificate, in place of the host's name; empty for that. */
  readonly sans: readonly string[];
  readonly tokenFile: string | undefined;
  readonly headers: ReadonlyMap<string, string>;
}

/** What a note is about. */
export type Credential = 'certificate' | 'token';

/** What happens to credentials. */
export type CredentialNote =
  | {
      readonly kind: 'renewed';
      readonly what: Credential;
      readonly path: string;
      readonly notAfterMs: number | undefined;
    }
  /** What was read before stays in use, if there is anything. */
  | { readonly kind: 'unusable'; readonly what: Credential; readonly error: string }
  | { readonly kind: 'expiry'; readonly what: Credential; readonly stage: ExpiryStage; readonly notAfterMs: number };

/** When what we have ends, wall time in ms. */
export interface Expiries {
  readonly certificateMs: number | undefined;
  /** Of the certificate that a server has shown last. */
  readonly serverMs: number | undefined;
  readonly tokenMs: number | undefined;
}

/** How often files are looked at, in ms. An atomic swap of links, as Kubernetes does it, gives no event that could be relied on. */
const lookMs = 2_000;
const diagnosisMs = 5_000;
/** A server that refuses us is looked at once in so many ms. */
const diagnosisEveryMs = 60_000;

/** What may be base64 or base64url of a secret. */
const base64Run = /[A-Za-z0-9+/_-]{16,}={0,2}/g;
/** Values of headers shorter than that stand in other words by chance, and are none worth to be hidden. */
const hiddenCharsMin = 6;
/** Characters that end a line of a log or move about on a terminal. */
const controls = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/**
 * Certificates, token and headers for the control plane. Files are read again at each dial and each stream, and watched in between, so that
 * whoever waits because of them can be told that they have changed.
 */
export class UpstreamCredentials implements Identification {
  readonly #settings: CredentialSettings;
  readonly #note: (note: CredentialNote) => void;
  readonly #changed: (what: Credential) => void;
  readonly #stages = new Map<Credential, ExpiryStage>();
  readonly #troubles = new Map<Credential, string>();
  readonly #diagnoses = new Map<string, { readonly atMs: number; readonly words: Promise<string> }>();
  #material: ClientTlsMaterial | undefined;
  /** Credentials that could not be had when somebody wanted them. */
  readonly #missed = new Set<Credential>();
  /** The token before the present one: streams that stand may have been opened with it. */
  #lastToken: string | undefined;
  #token: { readonly text: string; readonly readMs: number; readonly expiryMs: number | undefined } | undefined;
  #serverMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param changed called when files have changed since they were used last */
  constructor(settings: CredentialSettings, note: (note: CredentialNote) => void, changed: (what: Credential) => void) {
    this.#settings = settings;
    this.#note = note;
    this.#changed = changed;
    if (settings.tls ?? settings.tokenFile) this.#timer = setInterval(() => void this.#look(), lookMs).unref();
  }

  serverName(address: string): string | undefined {
    const { tls, serverName } = this.#settings;
    if (!tls || tcpHostOf(address) === undefined) return undefined;
    return serverName;
  }

  get expiries(): Expiries {
    return {
      certificateMs: this.#material?.validity?.notAfterMs,
      serverMs: this.#serverMs,
      tokenMs: this.#token?.expiryMs,
    };
  }

  credentials(address: string): ChannelCredentials | Promise<ChannelCredentials> {
    const { tls, serverName } = this.#settings;
    const host = tcpHostOf(address);
    if (!tls || host === undefined) return credentials.createInsecure();
    return this.#readTls(tls).then(({ context }) =>
      credentials.createFromSecureContext(context, {
        checkServerIdentity: (_, certificate) => this.#checkServer(serverName ?? host, certificate),
      }),
    );
  }

  headers(): Metadata | Promise<Metadata> {
    const metadata = new Metadata();
    for (const [name, value] of this.#settings.headers) metadata.set(name, value);
    const { tokenFile } = this.#settings;
    if (tokenFile === undefined) return metadata;
    return this.#readToken(tokenFile).then(token => {
      metadata.set('authorization', `Bearer ${token}`);
      return metadata;
    });
  }

  async explain(address: string, message: string): Promise<string> {
    const { tls } = this.#settings;
    const parsed = parseAddress(address);
    const isTls = tls !== undefined && !('error' in parsed) && parsed.kind === 'tcp';
    const { words, isOverServer } = dialWords(message, { isTls, certificate: this.#material?.certificate });
    // Our own words on the names say all already.
    if (!isTls || !isOverServer || words.includes(namesMismatch)) return words;
    const known = this.#diagnoses.get(address);
    const diagnosis =
      known && performance.now() - known.atMs < diagnosisEveryMs
        ? known.words
        : diagnose(parsed.host, parsed.port, this.#settings.serverName ?? parsed.host);
    if (diagnosis !== known?.words) this.#diagnoses.set(address, { atMs: performance.now(), words: diagnosis });
    const presented = await diagnosis;
    if (presented === '') return words;
    const expected = this.#material?.authorities.join('; ') ?? '';
    return `${words} (${presented}; it has to be vouched for by ${tls.ca}: ${expected})`;
  }

  scrub(text: string): string {
    let scrubbed = text.replace(controls, ' ').trim();
    const hidden = [this.#token?.text, this.#lastToken, ...this.#settings.headers.values()]
      .flatMap(secret => (secret !== undefined && secret.length >= hiddenCharsMin ? [secret] : []))
      // One may be a part of another.
      .toSorted((one, other) => other.length - one.length);
    for (const secret of hidden) scrubbed = scrubbed.replaceAll(secret, '(withheld)');
    // A server may quote headers as its library shows bytes.
    return scrubbed.replace(base64Run, run => {
      const decoded = Buffer.from(run, 'base64');
      return hidden.some(secret => decoded.includes(secret)) ? '(withheld)' : run;
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #readTls(paths: ClientTlsPaths): Promise<ClientTlsMaterial> {
    try {
      return await this.#readMaterial(paths);
    } catch (error) {
      // In the middle of a rotation the files may not fit together; what was good before still is.
      if (this.#material) return this.#material;
      this.#missed.add('certificate');
      throw new Error(`${messageOf(error)} (settings upstreamTlsCa, upstreamTlsCert, upstreamTlsKey)`);
    }
  }

  async #readMaterial(paths: ClientTlsPaths): Promise<ClientTlsMaterial> {
    const material = await readClientTls(paths, this.#material);
    this.#troubles.delete('certificate');
    this.#take(material, paths);
    return material;
  }

  /** Whoever reads a file first has all others told that it has changed: a dial as well as a look. */
  #take(material: ClientTlsMaterial, { cert, ca }: ClientTlsPaths): void {
    if (material === this.#material) return;
    const isRenewal = this.#material !== undefined;
    this.#material = material;
    this.#diagnoses.clear();
    if (isRenewal) {
      this.#stages.delete('certificate');
      const notAfterMs = material.validity?.notAfterMs;
      this.#note({ kind: 'renewed', what: 'certificate', path: cert ?? ca, notAfterMs });
    }
    if (this.#missed.delete('certificate') || isRenewal) this.#changed('certificate');
  }

  async #readToken(path: string): Promise<string> {
    try {
      return this.#takeToken(await readTokenFile(path), path);
    } catch (error) {
      if (this.#token === undefined) this.#missed.add('token');
      throw new Error(`${messageOf(error)} (setting upstreamTokenFile)`);
    }
  }

  #takeToken(text: string, path: string): string {
    this.#troubles.delete('token');
    const before = this.#token;
    if (before?.text === text) return text;
    const expiryMs = tokenExpiryMs(text);
    this.#lastToken = before?.text;
    this.#token = { text, readMs: Date.now(), expiryMs };
    this.#stages.delete('token');
    if (before) this.#note({ kind: 'renewed', what: 'token', path, notAfterMs: expiryMs });
    if (this.#missed.delete('token') || before) this.#changed('token');
    return text;
  }

  async #look(): Promise<void> {
    const { tls, tokenFile } = this.#settings;
    if (tls) await this.#watch('certificate', async () => void (await this.#readMaterial(tls)));
    if (tokenFile !== undefined) await this.#watch('token', async () => void (await this.#readToken(tokenFile)));
    const validity = this.#material?.validity;
    if (validity) this.#watchExpiry('certificate', validity.notAfterMs, validity.notBeforeMs);
    if (this.#token?.expiryMs !== undefined) this.#watchExpiry('token', this.#token.expiryMs, this.#token.readMs);
  }

  /** Says once what is wrong with a file, and says it only at the second look: the first may be in the middle of a rotation. */
  async #watch(what: Credential, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      const message = messageOf(error);
      const known = this.#troubles.get(what);
      this.#troubles.set(what, known === undefined ? '' : message);
      if (known !== undefined && known !== message && this.#timer)
        this.#note({ kind: 'unusable', what, error: message });
    }
  }

  #watchExpiry(what: Credential, notAfterMs: number, sinceMs: number): void {
    const stage = expiryStage(notAfterMs, sinceMs, Date.now());
    if ((this.#stages.get(what) ?? 'good') === stage) return;
    this.#stages.set(what, stage);
    this.#note({ kind: 'expiry', what, stage, notAfterMs });
  }

  #checkServer(host: string, certificate: PeerCertificate): Error | undefined {
    const { sans } = this.#settings;
    const { subjectaltname } = certificate;
    const named = namesOfCertificate({ subjectaltname });
    const isFor = `${namesMismatch} ${named.join(', ') || 'nobody'}`;
    if (sans.length > 0) {
      // A URI stands for itself; of the other kinds the kind may be left out.
      const isNamed = (san: string): boolean => [san, `dns:${san}`, `ip:${san}`].some(one => named.includes(one));
      if (!sans.some(isNamed)) return new Error(`${isFor}, expected ${sans.join(' or ')} (setting upstreamTlsSan)`);
    } else if (checkServerIdentity(host, certificate)) {
      return new Error(`${isFor}, expected ${host} (settings upstreamTlsServerName, upstreamTlsSan)`);
    }
    this.#serverMs = Date.parse(certificate.valid_to);
    return undefined;
  }
}

/** @throws Error that names the file, and never its contents */
async function readTokenFile(path: string): Promise<string> {
  let contents: string;
  try {
    contents = await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`cannot read the token ${path}: ${messageOf(error)}`);
  }
  const read = readToken(contents);
  if ('error' in read) throw new Error(`${path} ${read.error}`);
  return read.token;
}

const namesMismatch = 'the certificate of the control plane is for';

/** Host of a TCP address; undefined for a Unix socket. */
function tcpHostOf(address: string): string | undefined {
  const parsed = parseAddress(address);
  return !('error' in parsed) && parsed.kind === 'tcp' ? parsed.host : undefined;
}

/** Looks at what a server shows, without trusting it and without sending it anything. */
function diagnose(host: string, port: number, servername: string): Promise<string> {
  return new Promise(resolve => {
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      ...(isIP(servername) === 0 && { servername }),
    });
    const end = (words: string): void => {
      socket.destroy();
      resolve(words);
    };
    socket.setTimeout(diagnosisMs, () => end(''));
    socket.once('error', () => end(''));
    socket.once('secureConnect', () => {
      const { subject, issuer, valid_to: validTo, subjectaltname } = socket.getPeerCertificate();
      const who = (name: PeerCertificate['subject'] | undefined): string => String(name?.CN ?? name?.O ?? 'nobody');
      end(`presented: ${subjectaltname ?? who(subject)}, issued by ${who(issuer)}, valid until ${validTo}`);
    });
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
