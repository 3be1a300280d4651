import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { adsMethod } from '../../src/demo/envelopes.ts';
import { bytes, duration, type Field, message, nested, text, texts, uint } from '../../src/demo/proto.ts';
import type { Variant } from '../../src/xds/types.ts';
import { decodeTestRequest, type TestRequest } from './messages.ts';
import { types } from './resource-bodies.ts';

/** A resource as the scripted control plane holds it. */
export interface Scripted {
  readonly body: Buffer;
  readonly ttlMs?: number;
  readonly aliases?: readonly string[];
}

type Held = Scripted & { readonly version: string };
type Call = ServerDuplexStream<Buffer, Buffer>;

/** A request as it was heard, with the stream it came on, counted from 1. */
export type HeardRequest = Omit<TestRequest, 'node'> & { readonly stream: number; readonly variant: Variant };

/** What one stream subscribes of one type. */
interface Subscription {
  isWildcard: boolean;
  readonly names: Set<string>;
  /** Versions that the client has, as far as is known. */
  readonly sent: Map<string, string>;
}

interface PlaneStream {
  readonly variant: Variant;
  readonly call: Call;
  readonly subscriptions: Map<string, Subscription>;
}

/** A stream of load reports, oldest request first. */
export interface LoadStream {
  readonly requests: Buffer[];
}

const lrsPath = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
/** How often load is to be reported, in ms. */
const loadIntervalMs = 100;
const wrapperType = 'type.googleapis.com/envoy.service.discovery.v3.Resource';
const fullState: ReadonlySet<string> = new Set([types.cluster, types.listener, types.scope]);
const notFound = 5;

const asIs = (buffer: Buffer): Buffer => buffer;

/** Definition of ADS in one variant, with messages as bytes. */
export const bytesMethod = (variant: Variant) => ({
  path: adsMethod[variant],
  requestStream: true as const,
  responseStream: true as const,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});

/** The part of a collection's name that its members share, and its context parameters; undefined for a single name. */
function globOf(name: string): { readonly prefix: string; readonly parameters: string } | undefined {
  const [path = '', parameters = ''] = name.split('?');
  return path.endsWith('/*') ? { prefix: path.slice(0, -1), parameters } : undefined;
}

const sorted = (parameters: string): string => parameters.split('&').toSorted().join('&');

function isMember(glob: string, name: string): boolean {
  const [path = '', parameters = ''] = name.split('?');
  const wanted = globOf(glob);
  return wanted !== undefined && path.startsWith(wanted.prefix) && sorted(parameters) === sorted(wanted.parameters);
}

/**
 * A control plane that answers every subscription from what the test has put, in both variants of ADS, as the
 * specification says it. It is driven with {@link put}, {@link remove} and {@link heartbeat}, each of which tells all streams.
 */
export class ScriptedPlane {
  /** Everything that was heard, oldest first. */
  readonly heard: HeardRequest[] = [];
  /** Streams of load reports, oldest first. */
  readonly loads: LoadStream[] = [];
  /** Names of which NOT_FOUND is said in `resource_errors`, by type. */
  readonly notFound = new Map<string, Set<string>>();
  /** Types whose missing names are answered with a resource without a body that has the name as alias, not with a removal. */
  readonly answersEmpty = new Set<string>();
  /** Types whose wildcard holds only what was put before: later ones must be asked for by name. */
  readonly hideFromWildcard = new Set<string>();
  readonly #hidden = new Set<string>();
  readonly #held = new Map<string, Map<string, Held>>();
  readonly #streams = new Set<PlaneStream>();
  #server: Server | undefined;
  #versions = 0;
  #opened = 0;

  /** Listens on a port of loopback. @returns the address for the agent */
  async start(address = '127.0.0.1:0'): Promise<string> {
    const server = new Server({ 'grpc.max_send_message_length': -1, 'grpc.max_receive_message_length': -1 });
    server.addService(
      {
        sotw: bytesMethod('sotw'),
        delta: bytesMethod('delta'),
        load: { ...bytesMethod('sotw'), path: lrsPath },
      },
      {
        sotw: (call: Call) => this.#open(call, 'sotw'),
        delta: (call: Call) => this.#open(call, 'delta'),
        load: (call: Call) => this.#openLoad(call),
      },
    );
    this.#server = server;
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return `127.0.0.1:${port}`;
  }

  /** Cuts every connection. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Requests of a type, oldest first. */
  requests(typeUrl: string): HeardRequest[] {
    return this.heard.filter(request => request.typeUrl === typeUrl);
  }

  /** Texts of all NACKs. */
  get rejections(): string[] {
    return this.heard.flatMap(request => request.error ?? []);
  }

  /** Holds these too, or holds them anew. */
  put(typeUrl: string, resources: Readonly<Record<string, Buffer | Scripted>>): void {
    const held = this.#held.get(typeUrl) ?? new Map<string, Held>();
    this.#held.set(typeUrl, held);
    this.#versions += 1;
    for (const [name, resource] of Object.entries(resources)) {
      const scripted = Buffer.isBuffer(resource) ? { body: resource } : resource;
      if (this.hideFromWildcard.has(typeUrl) && !held.has(name)) this.#hidden.add(`${typeUrl} ${name}`);
      held.set(name, { ...scripted, version: `v${this.#versions}` });
    }
    this.#tell(typeUrl, new Set(Object.keys(resources)));
  }

  /** Holds these no longer. */
  remove(typeUrl: string, ...names: readonly string[]): void {
    this.#versions += 1;
    for (const name of names) this.#held.get(typeUrl)?.delete(name);
    this.#tell(typeUrl, new Set(names));
  }

  /** Holds a resource no longer whose time is over, and says nothing of it. */
  forget(typeUrl: string, name: string): void {
    this.#held.get(typeUrl)?.delete(name);
    for (const stream of this.#streams) stream.subscriptions.get(typeUrl)?.sent.delete(name);
  }

  /** Says again that a resource lives, without its body. */
  heartbeat(typeUrl: string, name: string): void {
    const held = this.#held.get(typeUrl)?.get(name);
    if (held === undefined) throw new Error(`there is no ${name} to send a heartbeat of`);
    for (const stream of this.#streams) {
      const wrapper = [text(1, held.version), text(3, name), ...ttlField(held)];
      const resource =
        stream.variant === 'delta'
          ? nested(2, ...wrapper)
          : nested(2, text(1, wrapperType), bytes(2, message(...wrapper)));
      this.#send(stream, typeUrl, [resource]);
    }
  }

  /** Says of names, unasked, that they are not there: in `resource_errors`. */
  sayNotFound(typeUrl: string, ...names: readonly string[]): void {
    for (const stream of this.#streams) this.#send(stream, typeUrl, errorFields(stream.variant, names));
  }

  /** Wants the load of all clusters. */
  #openLoad(call: Call): void {
    const stream: LoadStream = { requests: [] };
    this.loads.push(stream);
    call.on('error', () => {}); // A cancelled call; its end says all.
    call.on('data', (buffer: Buffer) => {
      stream.requests.push(buffer);
      if (stream.requests.length === 1) call.write(message(duration(2, loadIntervalMs), uint(4, 1)));
    });
    call.on('end', () => call.end());
  }

  #open(call: Call, variant: Variant): void {
    call.on('error', () => {}); // A cancelled call; its end says all.
    const stream: PlaneStream = { variant, call, subscriptions: new Map() };
    this.#streams.add(stream);
    this.#opened += 1;
    const number = this.#opened;
    call.on('data', (buffer: Buffer) => {
      const request = decodeTestRequest(buffer, variant);
      this.heard.push({ ...request, stream: number, variant });
      if (request.error === undefined) this.#take(stream, request);
    });
    call.on('end', () => call.end());
    for (const end of ['end', 'cancelled', 'close']) call.on(end, () => this.#streams.delete(stream));
  }

  #take(stream: PlaneStream, request: ReturnType<typeof decodeTestRequest>): void {
    const { typeUrl } = request;
    const first = !stream.subscriptions.has(typeUrl);
    const subscription = stream.subscriptions.get(typeUrl) ?? { isWildcard: false, names: new Set(), sent: new Map() };
    stream.subscriptions.set(typeUrl, subscription);
    const fresh = request.names.filter(name => !subscription.names.has(name) || stream.variant === 'delta');
    if (stream.variant === 'sotw') subscription.names.clear();
    for (const name of request.names) subscription.names.add(name);
    for (const name of request.unsubscribe) {
      subscription.names.delete(name);
      subscription.sent.delete(name);
    }
    if (first) {
      for (const [name, version] of request.initialVersions) subscription.sent.set(name, version);
      const isLegacy = request.names.length === 0 && (fullState.has(typeUrl) || typeUrl === types.virtualHost);
      subscription.isWildcard = isLegacy;
    } else if (stream.variant === 'sotw' && request.names.length > 0) {
      subscription.isWildcard = false;
    }
    if (request.names.includes('*')) subscription.isWildcard = true;
    if (first || fresh.length > 0) this.#answer(stream, typeUrl, new Set(fresh), first);
  }

  #tell(typeUrl: string, names: ReadonlySet<string>): void {
    for (const stream of this.#streams) {
      const subscription = stream.subscriptions.get(typeUrl);
      if (subscription === undefined) continue;
      for (const name of names) if (this.#held.get(typeUrl)?.has(name)) subscription.sent.delete(name);
      this.#answer(stream, typeUrl, new Set(), stream.variant === 'sotw' && fullState.has(typeUrl));
    }
  }

  /** @param fresh names asked for just now: they are answered even if they were sent before */
  #answer(stream: PlaneStream, typeUrl: string, fresh: ReadonlySet<string>, isOwed: boolean): void {
    const subscription = stream.subscriptions.get(typeUrl);
    if (subscription === undefined) return;
    const { names, sent } = subscription;
    const held = this.#held.get(typeUrl) ?? new Map<string, Held>();
    const isSubscribed = ([name, one]: readonly [string, Held]): boolean =>
      (subscription.isWildcard && !this.#hidden.has(`${typeUrl} ${name}`)) ||
      names.has(name) ||
      (one.aliases ?? []).some(alias => names.has(alias)) ||
      [...names].some(asked => isMember(asked, name));
    const isFresh = (name: string, one: Held): boolean =>
      fresh.has(name) ||
      (one.aliases ?? []).some(alias => fresh.has(alias)) ||
      [...fresh].some(asked => isMember(asked, name));
    const all = [...held].filter(isSubscribed);
    const isWhole = stream.variant === 'sotw' && fullState.has(typeUrl);
    const chosen = all.filter(([name, one]) => isWhole || sent.get(name) !== one.version || isFresh(name, one));
    const isKnown = (name: string): boolean =>
      held.has(name) ||
      all.some(([other, one]) => isMember(name, other) || (one.aliases ?? []).includes(name)) ||
      name === '*';
    const missing = [...fresh].filter(name => !isKnown(name));
    const gone = [...sent.keys()].filter(name => !held.has(name));
    for (const name of gone) sent.delete(name);
    for (const [name, one] of chosen) sent.set(name, one.version);
    const failed = missing.filter(name => this.notFound.get(typeUrl)?.has(name));
    // Of a route that is not there yet nothing is said: Envoy would wait for ever (R54).
    const absent = typeUrl === types.routes ? [] : missing.filter(name => !failed.includes(name));
    const empty = this.answersEmpty.has(typeUrl) ? absent : [];
    const removed = stream.variant === 'delta' ? [...gone, ...absent.filter(name => !empty.includes(name))] : [];
    if (chosen.length + removed.length + failed.length + empty.length === 0 && !(isOwed && fullState.has(typeUrl)))
      return;
    const resources = [
      ...chosen.map(([name, one]) => resourceField(stream.variant, typeUrl, name, one)),
      ...empty.map(name =>
        nested(2, text(1, 'none'), text(3, name.replace(/[^/]*$/, 'unresolved-$&')), texts(4, [name])),
      ),
    ];
    this.#send(stream, typeUrl, [...resources, ...errorFields(stream.variant, failed), texts(6, removed)]);
  }

  #send(stream: PlaneStream, typeUrl: string, fields: readonly Field[]): void {
    this.#versions += 1;
    const version = String(this.#versions);
    stream.call.write(message(text(1, version), ...fields, text(4, typeUrl), text(5, `n${version}`)));
  }
}

const ttlField = ({ ttlMs }: Scripted): Field[] => (ttlMs === undefined ? [] : [duration(6, ttlMs)]);

function resourceField(variant: Variant, typeUrl: string, name: string, held: Held): Field {
  const body = [text(1, typeUrl), bytes(2, held.body)];
  if (variant === 'sotw' && held.ttlMs === undefined) return nested(2, ...body);
  const wrapper = [
    text(1, held.version),
    nested(2, ...body),
    text(3, name),
    texts(4, held.aliases ?? []),
    ...ttlField(held),
  ];
  return variant === 'delta' ? nested(2, ...wrapper) : nested(2, text(1, wrapperType), bytes(2, message(...wrapper)));
}

function errorFields(variant: Variant, names: readonly string[]): Field[] {
  const number = variant === 'delta' ? 9 : 7;
  return names.map(name =>
    nested(number, nested(1, text(1, name)), nested(2, uint(1, notFound), text(2, 'not there'))),
  );
}
