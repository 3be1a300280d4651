import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import type { TlsFiles, TlsMaterial } from '../net/tls-files.ts';

type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];

/**
 * Server credentials that follow the files: a new connection gets what is current, streams that stand go on. With a CA bundle every client
 * has to show a certificate of it.
 */
export function serverCredentialsOf(files: TlsFiles): ServerCredentials {
  const provider = new FollowingProvider(files);
  if (files.current.ca) return experimental.createCertificateProviderServerCredentials(provider, provider, true);
  // Its types forget that null asks for no client certificate, and have the two providers the wrong way round: the first one is that of the
  // server's own certificate.
  const none = null as unknown as experimental.CertificateProvider;
  return experimental.createCertificateProviderServerCredentials(provider, none, false);
}

/** Hands {@link TlsFiles} to grpc-js. Its own file watcher forgets a good certificate when one read fails. */
class FollowingProvider implements experimental.CertificateProvider {
  readonly #files: TlsFiles;
  readonly #ends = new Map<unknown, () => void>();

  constructor(files: TlsFiles) {
    this.#files = files;
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#follow(listener, ({ ca }) => listener(ca ? { caCertificate: ca } : null));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#leave(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#follow(listener, ({ cert, key }) => listener({ certificate: cert, privateKey: key }));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#leave(listener);
  }

  #follow(listener: unknown, tell: (material: TlsMaterial) => void): void {
    this.#ends.set(listener, this.#files.onChange(tell));
    // Not at once: the server that this is for is made known to the credentials only after.
    queueMicrotask(() => tell(this.#files.current));
  }

  #leave(listener: unknown): void {
    this.#ends.get(listener)?.();
    this.#ends.delete(listener);
  }
}
