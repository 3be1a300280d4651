import type { TestContext } from 'node:test';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import type { Bodies } from '../../src/demo/control-plane.ts';
import {
  encodeApiListener,
  encodeCluster,
  encodeEndpoints,
  encodeRoutes,
  routeAllTo,
  typeUrls,
} from '../../src/demo/resources.ts';

/** Name of the service that gRPC clients call: `xds:///NAME`. */
export const serviceName = 'greeter.test';

const asIs = (buffer: Buffer): Buffer => buffer;
/** A HealthCheckResponse: status SERVING. */
const serving = Buffer.from([0x08, 0x01]);

/** Starts a gRPC backend with a health service; the test's end stops it. @returns its port */
export async function startGrpcBackend(context: TestContext): Promise<number> {
  const server = new Server();
  const method = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService(
    { check: method },
    { check: (_call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => answer(null, serving) },
  );
  context.after(() => server.forceShutdown());
  return await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

/** What a control plane serves so that {@link serviceName} is the backend on this port. */
export function grpcWorld(port: number): Bodies {
  const one = (name: string, body: Buffer): ReadonlyMap<string, Buffer> => new Map([[name, body]]);
  const routes = `${serviceName}-routes`;
  return new Map([
    [typeUrls.listener, one(serviceName, encodeApiListener(serviceName, routes))],
    [typeUrls.routes, one(routes, encodeRoutes(routes, routeAllTo('greeter')))],
    [typeUrls.cluster, one('greeter', encodeCluster('greeter'))],
    [typeUrls.endpoints, one('greeter', encodeEndpoints('greeter', [{ host: '127.0.0.1', port }]))],
  ]);
}
