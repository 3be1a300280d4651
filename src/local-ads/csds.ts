import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { type ClientConfig, encodeClientStatus, readStatusRequest, type StatusRequest } from '../xds/wire-status.ts';
import type { Peer } from './peer.ts';
import type { SideCalls } from './side-calls.ts';
import { bytesService, type DuplexCall, type SideService, type WhoCalls } from './side-service.ts';

/** What the client status service is made with. */
export interface StatusOptions {
  /** Clients that a peer may know of. */
  readonly clients: (peer: Peer, request: StatusRequest) => Iterable<ClientConfig>;
  /** Largest answer in bytes. */
  readonly statusBytesMax: number;
}

/** The client status discovery service (CSDS): what each client of the agent has, and what it said of it (R128). */
export function statusService({ clients, statusBytesMax }: StatusOptions, calls: SideCalls): SideService {
  const answerTo = async (call: UnaryCall | DuplexCall, who: WhoCalls, bytes: Buffer): Promise<Buffer | RpcStatus> => {
    const request = readStatusRequest(bytes);
    if ('error' in request) return { code: grpcCode.invalidArgument, message: request.error };
    const peer = await who(call);
    if ('code' in peer) return peer;
    const answer = encodeClientStatus(clients(peer, request), statusBytesMax);
    if (answer) return answer;
    const message = `the answer would have more than ${statusBytesMax} bytes (setting statusBytesMax); ask for one node, or set exclude_resource_contents`;
    return { code: grpcCode.resourceExhausted, message };
  };

  const fetch = async (call: UnaryCall, who: WhoCalls, callback: sendUnaryData<Buffer>): Promise<void> => {
    const answer = await answerTo(call, who, call.request);
    if (Buffer.isBuffer(answer)) callback(null, answer);
    else callback({ code: answer.code, details: answer.message });
  };

  const stream = (call: DuplexCall, who: WhoCalls): void => {
    if (!calls.enter(call)) return;
    let isOver = false;
    call.on('data', (bytes: Buffer) => {
      // One question at a time, so that nobody can have answers pile up.
      call.pause();
      void answerTo(call, who, bytes).then(answer => {
        if (isOver) return;
        if (Buffer.isBuffer(answer)) call.write(answer, () => call.resume());
        else call.emit('error', { code: answer.code, details: answer.message });
      });
    });
    call.on('end', () => call.end());
    for (const gone of ['cancelled', 'close', 'error']) {
      call.on(gone, () => {
        isOver = true;
      });
    }
  };

  return {
    definition: bytesService('envoy.service.status.v3.ClientStatusDiscoveryService', {
      StreamClientStatus: 'bidi',
      FetchClientStatus: 'unary',
    }),
    handlers: who => ({
      StreamClientStatus: (call: DuplexCall) => stream(call, who),
      FetchClientStatus: (call: UnaryCall, callback: sendUnaryData<Buffer>) => void fetch(call, who, callback),
    }),
  };
}

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
