import type { Server } from 'node:net';
import { claimSocketPath } from '../net/unix-socket.ts';
import { type Address, formatAddress, unixPathBytesMax } from '../xds/address.ts';

/**
 * Has a server of pages listen. A Unix socket is its owner's alone from its first moment.
 *
 * @returns the address with the real port
 * @throws Error that names the address that cannot be used
 */
export async function listen(server: Server, address: Address): Promise<Address> {
  if (address.kind === 'unix' && Buffer.byteLength(address.path) > unixPathBytesMax) {
    throw new Error(`cannot serve ${formatAddress(address)}: the path is longer than ${unixPathBytesMax} bytes`);
  }
  const refused = address.kind === 'unix' ? await claimSocketPath(address.path) : undefined;
  if (refused !== undefined) throw new Error(`cannot serve ${formatAddress(address)}: ${refused}`);
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(new Error(`cannot serve ${formatAddress(address)}`, { cause: error })));
    if (address.kind === 'tcp') server.listen({ host: address.host, port: address.port }, resolve);
    else {
      // Private from its first moment. Node binds a path within the call, so nothing else runs under this mask.
      const previous = process.umask(0o177);
      server.listen({ path: address.path }, resolve);
      process.umask(previous);
    }
  });
  if (address.kind === 'unix') return address;
  const bound = server.address();
  return { ...address, port: typeof bound === 'object' && bound ? bound.port : address.port };
}
