import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import { bindPrivately, claimSocketPath } from '../net/unix-socket.ts';
import { type Address, formatAddress } from '../xds/address.ts';
import type { Variant } from '../xds/types.ts';
import type { RecordedRequest } from './format.ts';
import { readRequest } from './recorder.ts';
import { type Difference, type RecordedStream, ReplayScript } from './script.ts';

/** How a recording is replayed. */
export interface ReplayOptions {
  readonly streams: readonly RecordedStream[];
  readonly isPaced: boolean;
  /** Told when a stream begins and when its script is over, with the number of the stream in the recording. */
  readonly onProgress?: (stream: number, script: ReplayScript) => void;
}

/** What came of a replay so far. */
export interface ReplayOutcome {
  /** Streams of the recording that were played, and of how many. */
  readonly streams: number;
  readonly streamsOf: number;
  readonly responses: number;
  readonly responsesOf: number;
  readonly differences: readonly (Difference & { readonly stream: number })[];
  /** Every stream of the recording was played to its end. */
  readonly isOver: boolean;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

const service = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const methods: Readonly<Record<string, Variant>> = {
  StreamAggregatedResources: 'sotw',
  DeltaAggregatedResources: 'delta',
};
const asIs = (bytes: Buffer): Buffer => bytes;

/**
 * A control plane that says what another one was recorded to say. Each stream that is opened plays the next one of the recording in its variant, of its
 * node if there is one; when all were played, the last one is played again, so that a client that comes back finds something.
 */
export class ReplayServer {
  readonly #options: ReplayOptions;
  readonly #server: Server;
  readonly #scripts = new Map<number, ReplayScript>();
  #listening: Address | undefined;

  constructor(options: ReplayOptions) {
    this.#options = options;
    // What the library would print says nothing to the user, and everything else is an error that is caught.
    setLogVerbosity(logVerbosity.NONE);
    this.#server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
    const definition = Object.keys(methods).map(method => [
      method,
      {
        path: `/${service}/${method}`,
        requestStream: true,
        responseStream: true,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    ]);
    const handlers = Object.entries(methods).map(([method, variant]) => [
      method,
      (call: Call) => this.#play(call, variant),
    ]);
    this.#server.addService(Object.fromEntries(definition), Object.fromEntries(handlers));
  }

  /** @returns the address with its real port. @throws Error when it cannot be used */
  async listen(address: Address): Promise<Address> {
    const credentials = ServerCredentials.createInsecure();
    const bind = (target: string): Promise<number> =>
      new Promise((resolve, reject) => {
        this.#server.bindAsync(target, credentials, (error, port) => (error ? reject(error) : resolve(port)));
      });
    if (address.kind === 'tcp') this.#listening = { ...address, port: await bind(formatAddress(address)) };
    else {
      const obstacle = await claimSocketPath(address.path);
      if (obstacle !== undefined) throw new Error(obstacle);
      await bindPrivately(address.path, 0o600, () => bind(`unix:${address.path}`));
      this.#listening = address;
    }
    return this.#listening;
  }

  get outcome(): ReplayOutcome {
    const { streams } = this.#options;
    let responses = 0;
    const differences: (Difference & { readonly stream: number })[] = [];
    for (const [stream, script] of this.#scripts) {
      responses += script.progress.sent;
      differences.push(...script.differences().map(one => ({ stream: stream + 1, ...one })));
    }
    const responsesOf = streams.reduce((sum, one) => sum + new ReplayScript(one, false).progress.of, 0);
    const isOver = this.#scripts.size === streams.length && [...this.#scripts.values()].every(one => one.isOver);
    return { streams: this.#scripts.size, streamsOf: streams.length, responses, responsesOf, differences, isOver };
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #play(call: Call, variant: Variant): void {
    let player: Player | undefined;
    call.on('error', () => {}); // A broken connection; its close follows.
    call.on('data', (bytes: Buffer) => {
      const request = readRequest(bytes, variant);
      player ??= this.#playerFor(call, variant, request.nodeId ?? '');
      player?.heard(request);
    });
    call.on('end', () => call.end());
    for (const gone of ['cancelled', 'close', 'error']) call.once(gone, () => player?.stop());
  }

  #playerFor(call: Call, variant: Variant, nodeId: string): Player | undefined {
    const { streams, isPaced, onProgress } = this.#options;
    const fitting = [...streams.keys()].filter(at => streams[at]?.variant === variant);
    const free = fitting.filter(at => !this.#scripts.has(at));
    const next = free.find(at => streams[at]?.nodeId === nodeId) ?? free[0] ?? fitting.at(-1);
    const stream = next === undefined ? undefined : streams[next];
    if (next === undefined || !stream) {
      call.emit('error', { code: status.UNIMPLEMENTED, details: `the recording has no stream in ${variant}` });
      return undefined;
    }
    const script = new ReplayScript(stream, isPaced);
    if (!this.#scripts.has(next)) this.#scripts.set(next, script);
    onProgress?.(next + 1, script);
    return new Player(call, script, () => onProgress?.(next + 1, script));
  }
}

/** Carries out a script on a stream. */
class Player {
  readonly #call: Call;
  readonly #script: ReplayScript;
  readonly #over: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(call: Call, script: ReplayScript, over: () => void) {
    this.#call = call;
    this.#script = script;
    this.#over = over;
    this.#perform(() => script.begin(performance.now()));
  }

  heard(request: RecordedRequest): void {
    this.#perform(() => this.#script.heard(request, performance.now()));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #perform(take: () => ReturnType<ReplayScript['advance']>): void {
    const wasOver = this.#script.isOver;
    for (const action of take()) {
      if (action.kind === 'send') this.#call.write(action.bytes);
      else this.#call.emit('error', { code: action.status.code, details: action.status.message });
    }
    clearTimeout(this.#timer);
    const deadlineMs = this.#script.nextDeadlineMs();
    if (deadlineMs < Infinity) {
      const delayMs = Math.max(0, deadlineMs - performance.now());
      this.#timer = setTimeout(() => this.#perform(() => this.#script.advance(performance.now())), delayMs);
    }
    if (!wasOver && this.#script.isOver) this.#over();
  }
}
