import type { ClientStream } from '../local-ads/client-stream.ts';
import type { Peer } from '../local-ads/peer.ts';
import type { NodeIdentity } from '../xds/node.ts';
import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { isReachable } from './type-view.ts';
import type { View } from './view.ts';

/** How long a client may take, or be left without an answer. */
export interface ClientPatience {
  /** A client that takes nothing for so long is cut off, in ms (R122). */
  readonly clientProgressTimeoutMs: number;
  /** A client that says nothing for so long after connecting is cut off, in ms. */
  readonly firstRequestTimeoutMs: number;
  /** A gRPC client that could not be told anything for so long, with the control plane away, is sent off, in ms (R94). */
  readonly grpcUnansweredTimeoutMs: number;
}

/** One connected client stream as the core keeps it: whose it is, and whether a message is on its way. */
export class Client {
  readonly streamId: number;
  readonly peer: Peer;
  readonly stream: ClientStream;
  readonly connectedWallMs: number;
  /** Whose allowance it uses up; empty before its first request. */
  account = '';
  /** Node that it says it is, while it was not let in; empty where it has not said. */
  claimedId = '';
  /** Names that it asks for, of all types. */
  names = 0;
  /** It is written to once there is room, whatever its time. */
  isQueued = false;
  #view: View | undefined;
  #identity: NodeIdentity | undefined;
  readonly #patience: ClientPatience;
  readonly #firstRequestByMs: number;
  /** gRPC clients: when to look whether there is still nothing to tell; Infinity once there was. */
  #answerByMs = Infinity;
  /** Size of the message on its way, and when it has to have left. */
  #writing: { readonly bytes: number; readonly byMs: number } | undefined;

  constructor(
    streamId: number,
    peer: Peer,
    stream: ClientStream,
    connectedWallMs: number,
    nowMs: number,
    patience: ClientPatience,
  ) {
    this.streamId = streamId;
    this.peer = peer;
    this.stream = stream;
    this.connectedWallMs = connectedWallMs;
    this.#patience = patience;
    this.#firstRequestByMs = nowMs + patience.firstRequestTimeoutMs;
  }

  /** The view it may see; undefined before its first request. */
  get view(): View | undefined {
    return this.#view;
  }

  get identity(): NodeIdentity | undefined {
    return this.#identity;
  }

  /** The node that it is, or says it is. */
  get nodeId(): string {
    return this.#identity?.id ?? this.claimedId;
  }

  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  attach(view: View, identity: NodeIdentity, nowMs: number): void {
    this.#view = view;
    this.#identity = identity;
    // Envoy is left waiting instead: its own timers decide, and a closed stream costs it a back-off (R94).
    if (identity.userAgentName.startsWith('gRPC')) this.#answerByMs = nowMs + this.#patience.grpcUnansweredTimeoutMs;
  }

  writing(bytes: number, nowMs: number): void {
    this.#writing = { bytes, byMs: nowMs + this.#patience.clientProgressTimeoutMs };
    this.#answerByMs = Infinity;
  }

  /** The message has left; returns its size in bytes, 0 when there was none. */
  written(): number {
    const bytes = this.#writing?.bytes ?? 0;
    this.#writing = undefined;
    return bytes;
  }

  /** The status to end the stream with, if the client's time or ours is over; undefined while it is not. */
  overdue(nowMs: number): RpcStatus | undefined {
    const { firstRequestTimeoutMs, clientProgressTimeoutMs } = this.#patience;
    if (!this.#view && this.#firstRequestByMs <= nowMs) {
      return exhausted(`no request came within ${firstRequestTimeoutMs} ms (setting firstRequestTimeout)`);
    }
    if (this.#writing && this.#writing.byMs <= nowMs) {
      return exhausted(`the client took nothing for ${clientProgressTimeoutMs} ms (setting clientProgressTimeout)`);
    }
    return this.#answerByMs <= nowMs ? this.#unanswered(nowMs) : undefined;
  }

  /** When to look at this client again, on the monotonic clock in ms. */
  nextDeadlineMs(): number {
    if (!this.#view) return this.#firstRequestByMs;
    // With a message on its way, or without room for one, nothing can be written.
    if (this.isQueued) return this.#answerByMs;
    return this.#writing?.byMs ?? Math.min(this.stream.nextDeadlineMs(), this.#answerByMs);
  }

  /**
   * A gRPC client takes 15 s of silence on a name for its not being there and fails its calls for good; a stream that ends without a word
   * it takes for a passing trouble (R37, R94).
   */
  #unanswered(nowMs: number): RpcStatus | undefined {
    for (const { typeUrl, isComplete } of this.stream.types()) {
      const type = this.#view?.type(typeUrl);
      if (isComplete || !type || isReachable(type)) continue;
      const message = 'the control plane cannot be reached, and nothing of what was asked for is known';
      return { code: grpcCode.unavailable, message };
    }
    this.#answerByMs = nowMs + this.#patience.grpcUnansweredTimeoutMs;
    return undefined;
  }
}

function exhausted(message: string): RpcStatus {
  return { code: grpcCode.resourceExhausted, message };
}
