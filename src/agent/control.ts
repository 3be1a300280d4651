import type { EventStreams } from '../admin/event-stream.ts';
import type { CachedView } from '../admin/reports.ts';
import type { AdminControl } from '../admin/source.ts';
import type { ListedView } from '../cache/disk-tables.ts';
import { encodeBundle } from '../cache/seed-bundle.ts';
import type { Recorder } from '../recording/recorder.ts';
import { readNode } from '../xds/node.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Core } from './core.ts';
import type { CoreEvent } from './events.ts';
import { typeReport } from './inspect.ts';
import type { LogLevelSwitch } from './log-level.ts';
import { readClock } from './loop.ts';
import { recordingStream } from './recording-stream.ts';
import type { Storage } from './storage.ts';

/** What an operator may do to a running agent. */
export function createControl(
  core: Core,
  storage: Storage,
  recorder: Recorder,
  events: EventStreams,
  logLevel: LogLevelSwitch,
  post: (event: CoreEvent) => void,
  drain: () => void,
): AdminControl {
  return {
    followEvents: query => events.open(query),
    checkDrift: () => post({ kind: 'drift_check_requested' }),
    drain,
    logLevel: () => logLevel.report(),
    setLogLevel: (level, forMs) => logLevel.set(level, forMs),
    record(isWhole) {
      const stream = recordingStream(recorder, performance.now(), Date.now());
      if (stream && isWhole) post({ kind: 'recording_begun' });
      return stream;
    },
    passGuard(wanted) {
      let held = 0;
      const typeUrls = new Set<TypeUrl>();
      for (const view of core.views()) {
        for (const { typeUrl, heldRemovals } of view.types.values()) {
          if (wanted !== undefined && wanted !== typeUrl && wanted !== traitsOf(typeUrl).shortName) continue;
          held += heldRemovals.size;
          typeUrls.add(typeUrl);
        }
      }
      for (const typeUrl of typeUrls) post({ kind: 'guard_passed', typeUrl });
      return held;
    },
    listCache: () => storage.disk?.list().map(view => inMemory(core, cachedView(view))),
    listCached: (typeUrl, viewKey) => storage.disk?.rows(typeUrl, viewKey),
    exportCache() {
      const view = storage.disk?.newest();
      const node = view && readNode(view.node);
      if (!view || !node || 'error' in node) return undefined;
      const createdWallMs = Date.now();
      return encodeBundle(view, {
        createdWallMs,
        nodeId: node.id,
        upstream: [],
        matchFields: [],
        matchKey: '',
      });
    },
    purgeCache() {
      const used = new Set<string>([...core.views()].map(view => view.key));
      let dropped = 0;
      for (const { viewKey } of storage.disk?.list() ?? []) {
        if (!used.has(viewKey)) dropped += storage.disk?.purge(viewKey) ?? 0;
      }
      return dropped;
    },
  };
}

/** Says of a stored view what of it is in memory besides: what nobody subscribes, and which TTL ends first. */
function inMemory(core: Core, stored: CachedView): CachedView {
  const view = [...core.views()].find(one => one.key === stored.viewKey);
  if (!view) return stored;
  const clock = readClock();
  const types = stored.types.map(one => {
    const type = view.types.get(one.typeUrl as TypeUrl);
    if (!type) return one;
    const { idleResources, isListIdle, resources, idleUntilWallMs: untilWallMs } = typeReport(view, type, clock);
    const { nextMs } = type.store.deadlines;
    return {
      ...one,
      endsWallMs: nextMs === Infinity ? undefined : Math.round(clock.wallMs + nextMs - clock.monotonicMs),
      idle: { resources: isListIdle ? resources : idleResources, untilWallMs },
    };
  });
  return { ...stored, types };
}

/** A stored view as people see it. */
export function cachedView({ viewKey, node, usedWallMs, types }: ListedView): CachedView {
  const identity = readNode(node);
  const isReadable = !('error' in identity);
  return {
    viewKey,
    nodeId: isReadable ? identity.id : '(unreadable)',
    nodeCluster: isReadable ? identity.cluster : '',
    usedWallMs,
    types: types.map(type => ({ ...type, shortName: traitsOf(type.typeUrl as TypeUrl).shortName })),
  };
}
