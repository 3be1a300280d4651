import assert from 'node:assert/strict';
import type { Core } from '../../src/agent/core.ts';
import { severalServers } from '../../src/agent/origin.ts';
import { payloadsAt } from '../../src/demo/proto.ts';
import { readNode } from '../../src/xds/node.ts';
import { clusterType, listenerType } from '../../src/xds/type-urls.ts';
import type { ModelControlPlane } from './model-control-plane.ts';
import { decodeSim } from './resources.ts';

/** What is served as a whole list is of one control plane, and clusters and listeners are of the same one (R109). */
export function assertOfOneServer(core: Core, planeOf: (nodeId: string, address: string) => ModelControlPlane): void {
  for (const view of core.views()) {
    const identity = readNode(view.node);
    assert.ok(!('error' in identity));
    const servers = new Set<string>();
    for (const typeUrl of [clusterType, listenerType]) {
      const type = view.types.get(typeUrl);
      const server = type?.main.origin.stored ?? '';
      if (!type || server === '' || server === severalServers || !type.store.isKnown) continue;
      servers.add(server);
      const { serials } = planeOf(identity.id, server);
      for (const { name, any } of type.store.entries()) {
        // A body stands in the field of the Any behind its type URL.
        const { serial } = decodeSim(payloadsAt(any, 2)[0] ?? Buffer.alloc(0));
        // What all clients rejected is left out for what they had before, whoever that came from (R102).
        const isOwn = serials.has(serial) || type.store.quarantined.has(name);
        assert.ok(isOwn, `R109: ${name} is not of ${server}, as the rest of its list is`);
      }
    }
    assert.ok(servers.size <= 1, `R109: clusters and listeners are of ${[...servers].join(' and ')}`);
  }
}
