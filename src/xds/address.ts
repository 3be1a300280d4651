/** Where something listens or is dialled: TCP or a Unix socket. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Longest path of a Unix socket in bytes: `sockaddr_un.sun_path` holds 108 with the closing zero (R112). */
export const unixPathBytesMax = 107;

/**
 * Reads `host:port`, `[v6]:port` or `unix:/path`.
 *
 * @returns the address, or a sentence that says what is wrong with `text`
 */
export function parseAddress(text: string): Address | { readonly error: string } {
  if (text.startsWith('unix:')) {
    // Both unix:/path and the URI form unix:///path are in use (gRPC naming).
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    if (path === '') return { error: `'${text}' names no path; write unix:/path/to/socket` };
    const bytes = new TextEncoder().encode(path).length;
    if (bytes > unixPathBytesMax) {
      return { error: `the socket path of '${text}' has ${bytes} bytes; the system allows ${unixPathBytesMax}` };
    }
    return { kind: 'unix', path };
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) return { error: `'${text}' is neither host:port nor unix:/path` };
  return { kind: 'tcp', host, port };
}

/** The address as a user writes it: the inverse of {@link parseAddress}. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Whether only processes of this machine can reach the address. */
export function isLocalOnly(address: Address): boolean {
  if (address.kind === 'unix') return true;
  return address.host === 'localhost' || address.host === '::1' || /^127(\.\d{1,3}){3}$/.test(address.host);
}
