import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Data, Draft } from '../../src/kube/data.ts';
import { selfSignedCertificate } from './certificate.ts';
import { applyPatch } from './json-patch.ts';
import type { Cleanup } from './raw-client.ts';

// What a webhook asks an API server for, over real TLS: one Secret and one MutatingWebhookConfiguration, with versions as etcd has them. Faults that a real
// one makes only by chance are made at will here; `npm run real-webhook` goes to a real one.

export interface FakeApiServer {
  readonly kubeconfig: string;
  /** By path, as the API server would return them. */
  readonly objects: Map<string, Draft>;
  /** `METHOD /path`, each. */
  readonly requests: string[];
  /** Answers of these, in place of what is right: status by `METHOD /path`. */
  readonly faults: Map<string, number>;
}

const token = 'token-of-the-webhook';

/** Starts it; it ends with the test. @param folder where the kubeconfig is written */
export async function startFakeApiServer(context: Cleanup, folder: string): Promise<FakeApiServer> {
  const identity = selfSignedCertificate();
  const objects = new Map<string, Draft>();
  const requests: string[] = [];
  const faults = new Map<string, number>();
  let version = 1;
  const store = (path: string, object: Data): Data => {
    version += 1;
    const held = { ...object, metadata: { ...(object['metadata'] as Data), resourceVersion: String(version) } };
    objects.set(path, held);
    return held;
  };
  const answer = (method: string, path: string, body: unknown): [number, unknown] => {
    const fault = faults.get(`${method} ${path}`);
    if (fault !== undefined) return [fault, { kind: 'Status', message: 'a fault that was asked for' }];
    const held = objects.get(path);
    // Sent by the code under test.
    const sent = body as Data;
    const versionOf = (object: Data | undefined): unknown =>
      (object?.['metadata'] as Data | undefined)?.['resourceVersion'];
    if (method === 'POST') {
      const named = `${path}/${String((sent['metadata'] as Data)['name'])}`;
      return objects.has(named) ? [409, { message: 'already exists' }] : [201, store(named, sent)];
    }
    if (!held) return [404, { kind: 'Status', message: `${path} not found` }];
    if (method === 'PUT') {
      return versionOf(sent) === versionOf(held)
        ? [200, store(path, sent)]
        : [409, { message: 'the object has been modified' }];
    }
    if (method !== 'PATCH') return [200, held];
    const operations = (body as { op: string }[]).filter(({ op }) => op !== 'test');
    return [200, store(path, applyPatch(held, operations as never) as Data)];
  };
  const server = createServer(identity, (request, response) => {
    const { method = '', url = '' } = request;
    requests.push(`${method} ${url}`);
    let text = '';
    request.on('data', chunk => {
      text += chunk;
    });
    request.on('end', () => {
      const isKnown = request.headers.authorization === `Bearer ${token}`;
      const [status, body] = isKnown
        ? answer(method, url, text === '' ? undefined : JSON.parse(text))
        : [401, { message: 'Unauthorized' }];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const kubeconfig = join(folder, 'kubeconfig');
  const ca = Buffer.from(identity.cert).toString('base64');
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      'current-context': 'c',
      clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    }),
  );
  return { kubeconfig, objects, requests, faults };
}
