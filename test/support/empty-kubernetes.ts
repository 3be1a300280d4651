import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';

/**
 * A Kubernetes API of a cluster in which there is nothing: each list is empty, each watch is silent, nothing may be written. Today's istiod does
 * not start without one, even where its configuration comes from somewhere else.
 */
export class EmptyKubernetes {
  readonly #server: Server = createServer((request, response) => answer(request, response));

  /** Listens on loopback. @param folder where the kubeconfig is written @returns its path */
  async start(folder: string): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('a TCP server has a port');
    const path = join(folder, 'kubeconfig');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'empty', cluster: { server: `http://127.0.0.1:${bound.port}` } }],
      users: [{ name: 'nobody', user: {} }],
      contexts: [{ name: 'empty', context: { cluster: 'empty', user: 'nobody' } }],
      'current-context': 'empty',
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  /** Ends every watch, and waits for nobody. */
  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const say = (code: number, body: object): void => {
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const refuse = (code: number, reason: string): void =>
    say(code, {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      code,
      reason,
      message: `${reason}: this cluster is empty`,
    });

  if (request.method !== 'GET') return refuse(403, 'Forbidden');
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
  const parts = pathname.split('/').filter(part => part !== '');
  if (pathname === '/version') return say(200, { major: '1', minor: '34', gitVersion: 'v1.34.0' });
  const inGroup = parts.slice(parts[0] === 'api' ? 2 : 3);
  const collection = inGroup[0] === 'namespaces' && inGroup.length > 2 ? inGroup.slice(2) : inGroup;
  // An object by its name, or what is no resource at all.
  if (collection.length !== 1) return refuse(404, 'NotFound');
  if (searchParams.get('watch') === 'true') {
    // The client lists then, as with every server that cannot begin a watch with what there is.
    if (searchParams.has('sendInitialEvents')) return refuse(422, 'Invalid');
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    return;
  }
  const wantsMetadata = request.headers.accept?.includes('as=PartialObjectMetadataList') === true;
  const type = wantsMetadata ? { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' } : {};
  say(200, { ...type, metadata: { resourceVersion: '1' }, items: [] });
}
