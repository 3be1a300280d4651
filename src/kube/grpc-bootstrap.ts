import { type Address, formatAddress } from '../xds/address.ts';
import type { Data } from './data.ts';

/** The bootstrap of gRPC's xDS clients (gRFC A27). @param serverFeatures such as `xds_v3`, or `fail_on_data_errors` (gRFC A88) */
export function grpcBootstrap(listen: Address, node: Data, serverFeatures: readonly string[]): Data {
  return {
    xds_servers: [
      {
        // Three slashes for an absolute path; a relative one has no such form (gRPC "Name Resolution").
        server_uri: formatAddress(listen).replace(/^unix:\//, 'unix:///'),
        channel_creds: [{ type: 'insecure' }],
        server_features: serverFeatures,
      },
    ],
    // grpc-js refuses a bootstrap without a locality, and then waits for ever without a word.
    node: { locality: {}, ...node },
  };
}
