import assert from 'node:assert/strict';
import type { CoreSettings } from '../../src/agent/core.ts';
import type { StoredResource } from '../../src/cache/stored.ts';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import type { TypeUrl, ViewKey } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessClient, resources } from './core-harness.ts';
import { MemoryDisk } from './memory-disk.ts';

/** Runs a process that has the clusters a, b and c, endpoints of two of them, a listener and a route, and leaves them on the disk. */
export function storedWorld(settings: Partial<CoreSettings> = {}, nodeId = 'n0'): MemoryDisk {
  const disk = new MemoryDisk();
  const harness = new CoreHarness(settings, disk);
  const client = harness.client('delta', nodeId);
  const give = (typeUrl: TypeUrl, names: readonly string[], isNamed: boolean): void => {
    client.send({ typeUrl, names: isNamed ? names : [] });
    harness.respond(typeUrl, { resources: resources(typeUrl, names) });
    harness.advance(500);
    for (const sent of client.take(typeUrl)) client.ack(sent);
  };
  give(clusterType, ['a', 'b', 'c'], false);
  give(endpointType, ['a', 'b'], true);
  give(listenerType, ['l'], false);
  give(routeType, ['r'], true);
  harness.advance(2_000);
  return disk;
}

/** As after a crash; with the upstream there, too. */
export function restarted(disk: MemoryDisk, settings: Partial<CoreSettings> = {}): CoreHarness {
  return new CoreHarness(settings, disk.copy());
}

/** Clusters that a client was told are gone, since the last look. */
export function removedBy(client: HarnessClient, typeUrl: TypeUrl = clusterType): string[] {
  return client.take(typeUrl).flatMap(one => one.removed);
}

/** Key of the view used last. */
export function viewOf(disk: MemoryDisk): ViewKey {
  return disk.newest()?.viewKey ?? assert.fail('nothing is stored');
}

/** A cluster of that view as the disk has it. */
export function onDisk(disk: MemoryDisk, name: string): StoredResource {
  const type = disk.newest()?.types.find(one => one.typeUrl === clusterType);
  return type?.resources.find(one => one.name === name) ?? assert.fail(`${name} is not on the disk`);
}
