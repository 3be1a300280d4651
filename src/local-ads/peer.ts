/** Who a client is, as far as it was proven, and where it came in. */
export interface Peer {
  /** Local address it came to, as configured. */
  readonly listener: string;
  /** Names that its certificate or token proves, such as `spiffe://…`; empty without either. */
  readonly names: readonly string[];
  /**
   * What may go this way: `private` is a socket or TLS; `open` plain TCP on loopback where secrets are allowed; `no-secrets` where they are not
   * (R124).
   */
  readonly way: 'private' | 'open' | 'no-secrets';
}
