import type { sendUnaryData } from '@grpc/grpc-js';
import { grpcCode } from '../xds/types.ts';
import { discoveryServices } from './services.ts';
import { type AnyCall, bytesService, type SideService } from './side-service.ts';

/** Services that are known and not served: a clear word is better than silence or a guess (ADR 0021, ADR 0022). */
export function refusedServices(): SideService[] {
  return [
    {
      definition: bytesService('envoy.service.health.v3.HealthDiscoveryService', {
        StreamHealthCheck: 'bidi',
        FetchHealthCheck: 'unary',
      }),
      handlers: () => ({
        StreamHealthCheck: refuseStream(noHealthChecks),
        FetchHealthCheck: refuseUnary(noHealthChecks),
      }),
    },
  ];
}

const noHealthChecks =
  'Weir carries no health checks (HDS): point hds_config of Envoy at the control plane itself, or let the control plane send health_checks with clusters';

/** What a Fetch… method of a discovery service is answered with. */
export const noFetch =
  'Weir serves no unary Fetch methods: open a stream, or use ADS (docs/adr/0022-no-rest.md says why)';

/** Name of the unary method of each discovery service that has one. */
export function fetchMethods(): ReadonlyMap<string, string> {
  const methods = new Map<string, string>();
  for (const { name, typeUrl, methods: own } of discoveryServices) {
    const stream = own.find(method => method.variant === 'sotw');
    if (typeUrl !== undefined && stream) methods.set(name, stream.name.replace(/^Stream/, 'Fetch'));
  }
  return methods;
}

/** A handler that ends unary calls with UNIMPLEMENTED and these words. */
export function refuseUnary(details: string): (call: AnyCall, answer: sendUnaryData<Buffer>) => void {
  return (_, answer) => answer({ code: grpcCode.unimplemented, details });
}

function refuseStream(details: string): (call: AnyCall) => void {
  return call => {
    call.emit('error', { code: grpcCode.unimplemented, details });
  };
}
