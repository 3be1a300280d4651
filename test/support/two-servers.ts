import type { CoreSettings } from '../../src/agent/core.ts';
import { clusterType, listenerType } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessClient, namesOf, resources } from './core-harness.ts';
import type { MemoryDisk } from './memory-disk.ts';

/** The control plane that is preferred. */
export const primary = 'primary:1';
/** The one that takes its place. */
export const secondary = 'secondary:1';
/** Both, as they are configured. */
export const addresses: readonly string[] = [primary, secondary];

/** Names of clusters, listeners and routes that one control plane has: those of the other are spelled otherwise. */
export function of(server: string, ...names: readonly string[]): string[] {
  return names.map(name => `${server[0]}-${name}`);
}

/** A harness with two control planes, a client of all clusters and listeners, and those of the first served. */
export function begun(
  variant: Variant = 'delta',
  disk?: MemoryDisk,
  settings: Partial<CoreSettings> = {},
): { harness: CoreHarness; client: HarnessClient } {
  const harness = new CoreHarness({ addresses, variant, ...settings }, disk);
  const client = harness.client(variant);
  client.send({ typeUrl: clusterType, names: [] });
  client.send({ typeUrl: listenerType, names: [] });
  answer(harness, primary, clusterType, of(primary, 'a', 'b'));
  answer(harness, primary, listenerType, of(primary, 'l'));
  settle(harness, client);
  return { harness, client };
}

/** One of the control planes sends resources with these names; the payload is their version, too. */
export function answer(
  harness: CoreHarness,
  address: string,
  typeUrl: TypeUrl,
  names: readonly string[],
  payload = 1,
): void {
  harness.respond(typeUrl, { resources: resources(typeUrl, names, payload) }, harness.upstreamAt(address));
}

/** Lets the quiet time pass and the client accept what it was sent. Returns what that was: names in order, `-` before those removed. */
export function settle(harness: CoreHarness, client: HarnessClient): string[] {
  const told: string[] = [];
  for (let round = 0; round < 4; round++) {
    for (const message of client.inbox.splice(0)) {
      told.push(...namesOf(message), ...message.removed.map(name => `-${name}`));
      client.ack(message);
    }
    harness.advance(400);
  }
  return told;
}

/** The primary goes, for good or until the test says otherwise. */
export function losePrimary(harness: CoreHarness): void {
  harness.unreachable.add(primary);
  harness.cut(harness.upstreamAt(primary)?.streamId);
}
