import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { type ClientConfig, readStatusRequest, type StatusRequest } from '../xds/wire-status.ts';
import { type Answer, answerInTurn, answerOnce } from './answered-calls.ts';
import type { Peer } from './peer.ts';
import type { SideCalls } from './side-calls.ts';
import { bytesService, type DuplexCall, type SideService, type WhoCalls } from './side-service.ts';
import { StatusAnswers } from './status-answers.ts';

/** What the client status service is made with. */
export interface StatusOptions {
  /** Clients that a peer may know of. */
  readonly clients: (peer: Peer, request: StatusRequest) => Iterable<ClientConfig>;
  /** Largest answer in bytes, and the sum of those that nobody has read yet. */
  readonly statusBytesMax: number;
  /** How long an answer may take to leave, in ms. */
  readonly clientProgressTimeoutMs: number;
}

/** The client status discovery service (CSDS): what each client of the agent has, and what it said of it (R128). */
export function statusService(options: StatusOptions, calls: SideCalls): SideService {
  const { clients, statusBytesMax, clientProgressTimeoutMs: progressMs } = options;
  const answers = new StatusAnswers(statusBytesMax);

  const answerTo = async (call: DuplexCall, who: WhoCalls, question: Buffer): Promise<Answer> => {
    const request = readStatusRequest(question);
    if ('error' in request) return { code: grpcCode.invalidArgument, message: request.error };
    const peer = await who(call);
    if ('code' in peer) return peer;
    const made: Buffer | RpcStatus = await answers.make(
      () => clients(peer, request),
      () => !call.cancelled,
    );
    return Buffer.isBuffer(made) ? { bytes: made, left: () => answers.left(made) } : made;
  };

  return {
    definition: bytesService('envoy.service.status.v3.ClientStatusDiscoveryService', {
      StreamClientStatus: 'bidi',
      // Only of a stream it is known when its answer has left.
      FetchClientStatus: 'bidi',
    }),
    handlers: ({ listener, who }) => ({
      StreamClientStatus: (call: DuplexCall) => {
        if (calls.enter(call, listener)) answerInTurn(call, progressMs, question => answerTo(call, who, question));
      },
      FetchClientStatus: (call: DuplexCall) => {
        if (calls.enter(call, listener)) answerOnce(call, progressMs, question => answerTo(call, who, question));
      },
    }),
  };
}
