import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Identity } from './certificate.ts';

/** A request that the server got. */
export interface SeenRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
}

interface OpenWatch {
  readonly path: string;
  readonly response: ServerResponse;
}

interface StoredEvent {
  readonly path: string;
  readonly version: number;
  readonly text: string;
}

type StoredObject = { readonly metadata: { readonly name: string; readonly namespace: string } };

/**
 * A Kubernetes API server as far as lists and watches go, written after its documentation ("Kubernetes API Concepts") and held to what the
 * real one does by `npm run real-kubernetes`: one revision for all that it holds, pages of one state, watches from a revision with the
 * history that was not compacted, bookmarks, statuses. What goes wrong is asked for by the test.
 */
export class KubernetesServer {
  readonly #identity: Identity;
  readonly #wantsCertificate: boolean;
  #server: Server | undefined;
  #port = 0;
  readonly #sockets = new Set<Duplex>();

  #revision = 100;
  #compacted = 0;
  readonly #collections = new Map<string, Map<string, { readonly version: number; readonly object: unknown }>>();
  #history: StoredEvent[] = [];
  readonly #pages = new Map<string, { readonly version: number; readonly items: readonly unknown[] }>();
  #pagesBegun = 0;
  readonly #watches = new Set<OpenWatch>();
  readonly #changed = new Set<() => void>();

  /** Requests in the order in which they came. */
  readonly requests: SeenRequest[] = [];
  /** Bearer tokens that are taken; undefined for any. */
  tokens: Set<string> | undefined;
  /** Paths that are answered with a status instead. */
  readonly refused = new Map<string, number>();
  /** Whether a version that is too old for a watch is told with the answer's status, or by an event. */
  goneBy: 'status' | 'event' = 'event';
  /** Whether what a first page stands for is forgotten as soon as it was sent, once. */
  compactAfterPage = false;
  /** Whether lists are not answered. */
  isMute = false;

  /** @param wantsCertificate whether clients have to show a certificate that the identity signed */
  constructor(identity: Identity, { wantsCertificate = false } = {}) {
    this.#identity = identity;
    this.#wantsCertificate = wantsCertificate;
  }

  get url(): string {
    return `https://localhost:${this.#port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Listens; always on the same port. */
  async start(): Promise<void> {
    const { cert, key } = this.#identity;
    const tls = this.#wantsCertificate ? { requestCert: true, rejectUnauthorized: false, ca: cert } : {};
    const server = createServer({ cert, key, ...tls }, (request, response) => this.#handle(request, response));
    server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#notify();
      });
    });
    this.#server = server;
    server.listen(this.#port, 'localhost');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Ends at once, with all connections. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** Creates or updates an object. @returns its version */
  put(path: string, object: object): number {
    const { name } = (object as StoredObject).metadata;
    const objects = this.#collection(path);
    const version = ++this.#revision;
    const type = objects.has(name) ? 'MODIFIED' : 'ADDED';
    const stored = { ...object, metadata: { ...(object as StoredObject).metadata, resourceVersion: String(version) } };
    objects.set(name, { version, object: stored });
    this.#happened(path, version, type, stored);
    return version;
  }

  delete(path: string, name: string): void {
    const objects = this.#collection(path);
    const known = objects.get(name);
    if (!known) throw new Error(`there is no ${name} in ${path}`);
    objects.delete(name);
    const version = ++this.#revision;
    const { metadata } = known.object as StoredObject;
    this.#happened(path, version, 'DELETED', {
      ...(known.object as object),
      metadata: { ...metadata, resourceVersion: String(version) },
    });
  }

  /** Changes an object without a word to those who watch. */
  putSilently(path: string, object: object): void {
    const watches = [...this.#watches];
    this.#watches.clear();
    this.put(path, object);
    for (const watch of watches) this.#watches.add(watch);
  }

  /** Forgets what happened so far, and the pages that were begun. */
  compact(): void {
    this.#compacted = this.#revision;
    this.#history = [];
    this.#pages.clear();
  }

  /** How far the revision is, after a write to another collection moved it on. */
  elsewhere(): number {
    return ++this.#revision;
  }

  /** Sends any bytes to those who watch a collection. */
  say(path: string, text: string): void {
    for (const watch of this.#watches) if (watch.path === path) watch.response.write(text);
  }

  /** Ends the watches of a collection, as the API server does when their time is over. */
  endWatches(path: string): void {
    for (const watch of this.#watches) if (watch.path === path) watch.response.end();
  }

  /** Cuts all connections, in the middle of whatever is being sent. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  watches(path: string): number {
    return [...this.#watches].filter(watch => watch.path === path).length;
  }

  /** Waits until something about requests, watches and connections is as asked. */
  async until(what: string, isSo: () => boolean, timeoutMs = 10_000): Promise<void> {
    if (isSo()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#changed.delete(look);
        const seen = this.requests.slice(-8).map(({ path, query }) => `${path}?${query}`);
        reject(new Error(`waited ${timeoutMs} ms for ${what}; the last requests were\n${seen.join('\n')}`));
      }, timeoutMs);
      const look = (): void => {
        if (!isSo()) return;
        clearTimeout(timer);
        this.#changed.delete(look);
        resolve();
      };
      this.#changed.add(look);
    });
  }

  async untilWatched(path: string): Promise<void> {
    await this.until(`a watch on ${path}`, () => this.watches(path) > 0);
  }

  #notify(): void {
    for (const look of [...this.#changed]) look();
  }

  #collection(path: string): Map<string, { readonly version: number; readonly object: unknown }> {
    const known = this.#collections.get(path);
    if (known) return known;
    const made = new Map();
    this.#collections.set(path, made);
    return made;
  }

  #happened(path: string, version: number, type: string, object: unknown): void {
    const text = `${JSON.stringify({ type, object })}\n`;
    this.#history.push({ path, version, text });
    this.say(path, text);
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams: query } = new URL(request.url ?? '', this.url);
    const { authorization } = request.headers;
    this.requests.push({ path, query, authorization });
    const status = this.#statusOf(request, path);
    if (status !== undefined) refuse(response, ...status);
    else if (query.get('watch')) this.#watch(path, query, response);
    else if (!this.isMute) this.#list(path, query, response);
    this.#notify();
  }

  #statusOf(request: IncomingMessage, path: string): [status: number, message: string] | undefined {
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1];
    const isKnown = this.#wantsCertificate
      ? (request.socket as TLSSocket).authorized
      : this.tokens === undefined || this.tokens.has(token ?? '');
    // A server that says too much: the reader must not pass it on.
    if (!isKnown) return [401, `Unauthorized: ${token}`];
    if (request.method !== 'GET') return [405, 'only GET is served here'];
    const refused = this.refused.get(path);
    if (refused !== undefined) return [refused, `${path} is refused`];
    return this.#collections.has(path) ? undefined : [404, '404 page not found'];
  }

  #list(path: string, query: URLSearchParams, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? 0);
    const [id = '', from = '0'] = query.get('continue')?.split(':') ?? [];
    const page = id === '' ? this.#snapshot(path, query) : this.#pages.get(id);
    if (!page) return refuse(response, 410, 'The provided continue parameter is too old');
    const end = limit > 0 ? Number(from) + limit : page.items.length;
    const items = page.items.slice(Number(from), end);
    const next = end < page.items.length ? `${id || this.#keep(page)}:${end}` : undefined;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ metadata: { resourceVersion: String(page.version), continue: next }, items }));
    if (next === undefined || !this.compactAfterPage) return;
    this.compactAfterPage = false;
    this.compact();
  }

  #snapshot(path: string, query: URLSearchParams): { readonly version: number; readonly items: readonly unknown[] } {
    const name = /^metadata\.name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1];
    const objects = [...this.#collection(path)].sort(([a], [b]) => (a < b ? -1 : 1));
    const items = objects.filter(([key]) => name === undefined || key === name).map(([, { object }]) => object);
    return { version: this.#revision, items };
  }

  #keep(page: { readonly version: number; readonly items: readonly unknown[] }): string {
    const id = `page${++this.#pagesBegun}`;
    this.#pages.set(id, page);
    return id;
  }

  #watch(path: string, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    const isGone = from < this.#compacted;
    const message = `too old resource version: ${from} (${this.#compacted})`;
    if (isGone && this.goneBy === 'status') return refuse(response, 410, message);
    response.setHeader('content-type', 'application/json');
    response.flushHeaders();
    if (isGone) {
      const object = { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    for (const event of this.#history) if (event.path === path && event.version > from) response.write(event.text);
    const watch = { path, response };
    this.#watches.add(watch);
    response.on('close', () => {
      this.#watches.delete(watch);
      this.#notify();
    });
  }
}

function refuse(response: ServerResponse, code: number, message: string): void {
  response.statusCode = code;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message }));
}
