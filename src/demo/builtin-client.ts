import { type ClientDuplexStream, credentials, Client as GrpcClient, Metadata } from '@grpc/grpc-js';
import { adsMethod, decodeResponse, encodeRequest, type Resource, type Response, type Variant } from './envelopes.ts';
import type { XdsAddress } from './envoy-process.ts';
import { addressesOf, endpointsNameOf, firstClusterOf, type HostPort, routeNamesOf, typeUrls } from './resources.ts';

/** Largest response taken, in bytes. */
const responseBytesMax = 64 * 1024 * 1024;
/** Wait before a lost stream is opened again, in ms. */
const reconnectMs = 200;

const asIs = (buffer: Buffer): Buffer => buffer;

interface Held {
  version: string;
  /** Names asked for; empty for wildcard types. */
  readonly names: Set<string>;
  readonly resources: Map<string, Resource>;
}

/**
 * A small xDS client for machines without an Envoy: it asks as Envoy does (all clusters and listeners, then endpoints and
 * routes by the names these refer to), accepts everything, and knows where a request would be sent.
 */
export class BuiltinClient {
  readonly #nodeId: string;
  readonly #variant: Variant;
  readonly #target: string;
  readonly #client: GrpcClient;
  readonly #held = new Map<string, Held>();
  #call: ClientDuplexStream<Buffer, Buffer> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextEndpoint = 0;
  #isStopped = false;

  /** Connects at once and again whenever the stream ends, until {@link stop}. */
  constructor(nodeId: string, variant: Variant, xds: XdsAddress) {
    this.#nodeId = nodeId;
    this.#variant = variant;
    this.#target = xds.kind === 'unix' ? `unix:${xds.path}` : `${xds.host}:${xds.port}`;
    this.#client = new GrpcClient(this.#target, credentials.createInsecure(), {
      'grpc.max_receive_message_length': responseBytesMax,
      // Two clients of one process would else share a connection.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': reconnectMs,
    });
    for (const typeUrl of Object.values(typeUrls)) {
      this.#held.set(typeUrl, { version: '', names: new Set(), resources: new Map() });
    }
    this.#open();
  }

  /** Names of a type that the client holds. */
  names(typeUrl: string): string[] {
    return [...(this.#held.get(typeUrl)?.resources.keys() ?? [])];
  }

  /** Encoded body of a resource, or undefined. Not to be changed. */
  body(typeUrl: string, name: string): Buffer | undefined {
    return this.#held.get(typeUrl)?.resources.get(name)?.body;
  }

  /** Where the next request through `listener` goes by listener, routes, cluster and endpoints (in turn); undefined if any is missing. */
  endpointFor(listener: string): HostPort | undefined {
    const listenerBody = this.body(typeUrls.listener, listener);
    const routes = listenerBody && this.body(typeUrls.routes, routeNamesOf(listenerBody)[0] ?? '');
    const cluster = routes && this.body(typeUrls.cluster, firstClusterOf(routes) ?? '');
    const endpoints = cluster && this.body(typeUrls.endpoints, endpointsNameOf(cluster));
    const addresses = endpoints ? addressesOf(endpoints) : [];
    this.#nextEndpoint += 1;
    return addresses[this.#nextEndpoint % Math.max(1, addresses.length)];
  }

  /** Ends the stream and the connection. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#call?.cancel();
    this.#client.close();
  }

  #open(): void {
    const call = this.#client.makeBidiStreamRequest(
      adsMethod[this.#variant],
      asIs,
      asIs,
      new Metadata({ waitForReady: true }),
    );
    this.#call = call;
    call.on('data', (buffer: Buffer) => this.#receive(call, buffer));
    // The status says why a stream ended, and the answer is the same for each reason: connect again.
    call.on('error', () => {});
    call.on('status', () => {
      if (!this.#isStopped) this.#timer = setTimeout(() => this.#open(), reconnectMs);
    });
    for (const [typeUrl, { names, version, resources }] of this.#held) {
      const isWildcard = typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener;
      if (!isWildcard && names.size === 0) continue;
      const nodeId = typeUrl === typeUrls.cluster ? this.#nodeId : undefined;
      const initialVersions = [...resources.values()].map(({ name, version }) => [name, version] as const);
      call.write(
        encodeRequest(
          { typeUrl, version, names, initialVersions, ...(nodeId === undefined ? {} : { nodeId }) },
          this.#variant,
        ),
      );
    }
  }

  #receive(call: ClientDuplexStream<Buffer, Buffer>, buffer: Buffer): void {
    const response = decodeResponse(buffer, this.#variant);
    const held = this.#held.get(response.typeUrl);
    if (call !== this.#call || !held) return;
    this.#apply(held, response);
    // As Envoy does, names that follow from a response are asked for before it is acknowledged (R41).
    this.#follow(call, typeUrls.cluster, response.typeUrl, typeUrls.endpoints, body => [endpointsNameOf(body)]);
    this.#follow(call, typeUrls.listener, response.typeUrl, typeUrls.routes, routeNamesOf);
    const names = this.#variant === 'sotw' ? held.names : [];
    call.write(
      encodeRequest({ typeUrl: response.typeUrl, version: held.version, nonce: response.nonce, names }, this.#variant),
    );
  }

  #apply(held: Held, response: Response): void {
    const isFullList =
      this.#variant === 'sotw' && (response.typeUrl === typeUrls.cluster || response.typeUrl === typeUrls.listener);
    if (isFullList) held.resources.clear();
    for (const resource of response.resources) held.resources.set(resource.name, resource);
    for (const name of response.removed) held.resources.delete(name);
    held.version = response.version;
  }

  #follow(
    call: ClientDuplexStream<Buffer, Buffer>,
    parent: string,
    received: string,
    child: string,
    namesIn: (body: Buffer) => string[],
  ): void {
    const held = this.#held.get(child);
    if (parent !== received || !held) return;
    const wanted = new Set(
      [...(this.#held.get(parent)?.resources.values() ?? [])].flatMap(({ body }) => namesIn(body)),
    );
    const added = [...wanted].filter(name => !held.names.has(name));
    // Names are only ever added: dropping one that is about to come back would cost more than it saves here.
    if (added.length === 0) return;
    for (const name of added) held.names.add(name);
    const names = this.#variant === 'sotw' ? held.names : added;
    call.write(encodeRequest({ typeUrl: child, version: held.version, names }, this.#variant));
  }
}
