import { bytesField, TagWalk, textField, WireError } from './tag-walk.ts';

/** `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
export const servingStatus = { serving: 1, notServing: 2, serviceUnknown: 3 } as const;

/** The `service` of a `HealthCheckRequest`; undefined when the bytes are none. */
export function readHealthRequest(bytes: Buffer): string | undefined {
  try {
    const walk = new TagWalk(bytes);
    let service = '';
    while (walk.next()) if (walk.field === 1 && walk.wireType === 2) service = walk.text();
    return service;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** A `HealthCheckResponse`. @param serving one of {@link servingStatus} */
export function encodeHealth(serving: number): Buffer {
  return Buffer.from([0x08, serving]);
}

/** A `HealthListResponse`: all of these services in one state. @param serving one of {@link servingStatus} */
export function encodeHealthList(services: Iterable<string>, serving: number): Buffer {
  const state = bytesField(0x12, encodeHealth(serving));
  // Entries of the map `statuses`: key = 1, value = 2.
  return Buffer.concat([...services].map(name => bytesField(0x0a, Buffer.concat([textField(0x0a, name), state]))));
}
