import type { ClientStream } from '../local-ads/client-stream.ts';
import type { NodeIdentity } from '../xds/node.ts';
import type { View } from './view.ts';

/** One connected client stream as the core keeps it: whose it is, and whether a message is on its way. */
export class Client {
  readonly streamId: number;
  /** Local address the client came to. */
  readonly listener: string;
  readonly stream: ClientStream;
  readonly connectedWallMs: number;
  #view: View | undefined;
  #identity: NodeIdentity | undefined;
  readonly #firstRequestByMs: number;
  /** Size of the message on its way, and when it has to have left. */
  #writing: { readonly bytes: number; readonly byMs: number } | undefined;

  constructor(
    streamId: number,
    listener: string,
    stream: ClientStream,
    connectedWallMs: number,
    firstRequestByMs: number,
  ) {
    this.streamId = streamId;
    this.listener = listener;
    this.stream = stream;
    this.connectedWallMs = connectedWallMs;
    this.#firstRequestByMs = firstRequestByMs;
  }

  /** The view it may see; undefined before its first request. */
  get view(): View | undefined {
    return this.#view;
  }

  get identity(): NodeIdentity | undefined {
    return this.#identity;
  }

  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  attach(view: View, identity: NodeIdentity): void {
    this.#view = view;
    this.#identity = identity;
  }

  writing(bytes: number, byMs: number): void {
    this.#writing = { bytes, byMs };
  }

  /** The message has left; returns its size in bytes, 0 when there was none. */
  written(): number {
    const bytes = this.#writing?.bytes ?? 0;
    this.#writing = undefined;
    return bytes;
  }

  /** What the client should have done by now and has not (R122). */
  overdue(nowMs: number): 'first-request' | 'progress' | undefined {
    if (!this.#view && this.#firstRequestByMs <= nowMs) return 'first-request';
    if (this.#writing && this.#writing.byMs <= nowMs) return 'progress';
    return undefined;
  }

  /** When to look at this client again, on the monotonic clock in ms. */
  nextDeadlineMs(): number {
    if (!this.#view) return this.#firstRequestByMs;
    // With a message on its way nothing else can be written, whatever its time.
    return this.#writing?.byMs ?? this.stream.nextDeadlineMs();
  }
}
