import { join } from 'node:path';
import { createAdminServer } from '../admin/server.ts';
import type { AdminSource, CacheReport } from '../admin/source.ts';
import type { DiskNote } from '../cache/disk-notes.ts';
import { createIdleTier } from '../cache/idle.ts';
import { LocalServer } from '../local-ads/server.ts';
import { UpstreamChannels } from '../upstream/channel.ts';
import { type Address, formatAddress } from '../xds/address.ts';
import { unreachable } from '../xds/assert.ts';
import { createControl } from './control.ts';
import { Core, type CoreSettings } from './core.ts';
import { Counters } from './counters.ts';
import { AgentError, exitCodes } from './errors.ts';
import type { CoreEffect, Note } from './events.ts';
import { gauges, inspect, type ProcessState, resourcesOf } from './inspect.ts';
import type { Logger } from './log.ts';
import { Loop } from './loop.ts';
import { describe } from './notes.ts';
import { readyVerdict, startedVerdict } from './readiness.ts';
import type { SeedNote } from './seed.ts';
import type { Settings } from './settings.ts';
import { openStorage, ownDirectory } from './storage.ts';
import { describeDisk, describeSeed } from './storage-notes.ts';

/** An agent at work. */
export interface RunningAgent {
  /** Addresses of the local endpoint, with real ports. */
  readonly listenAddresses: readonly Address[];
  readonly adminAddress: Address;
  /** Tells the clients to go, stops listening and ends; resolves when all is closed. */
  drain(reason: string): Promise<void>;
  /** Exit code of the process, once the agent has ended. */
  readonly stopped: Promise<number>;
}

/**
 * Starts the agent: core, upstream channels, local endpoint, admin pages, in this order, so that nothing is promised before it works.
 *
 * @throws AgentError when an address cannot be used
 */
export async function startAgent(settings: Settings, log: Logger): Promise<RunningAgent> {
  const startedWallMs = Date.now();
  const counters = new Counters();
  // Before there is a core, nothing is held that would have to be written once more.
  let onLost = (): void => {};
  const storage = await openStorage(settings, { note: observeDisk, seedNote: observeSeed, onLost: () => onLost() });
  const idle = createIdleTier(settings.idleResourcesMax);
  const core = new Core(coreSettings(settings), idle, storage, Math.random);
  const loop = new Loop(core, perform);
  onLost = () => loop.post({ kind: 'disk_lost' });
  const upstream = new UpstreamChannels(settings, loop.post);
  const local = new LocalServer(settings, core.newStreamId, loop.post);

  function perform(effect: CoreEffect): void {
    switch (effect.kind) {
      case 'open_upstream':
        return upstream.open(effect.streamId, effect.variant, effect.address);
      case 'send_upstream':
        return upstream.send(effect.streamId, effect.bytes);
      case 'close_upstream':
        return upstream.close(effect.streamId);
      case 'send_client':
        return local.send(effect.streamId, effect.bytes);
      case 'close_client':
        return local.close(effect.streamId, effect.code, effect.message);
      case 'write_disk':
        return storage.write(effect.changes);
      case 'note':
        return observe(effect.note);
      default:
        return unreachable(effect);
    }
  }

  function observe(note: Note): void {
    counters.observe(note);
    const line = describe(note);
    if (line) log[line.level](line.fields, line.message);
  }

  function observeDisk(note: DiskNote): void {
    counters.observeDisk(note);
    const { level, fields, message } = describeDisk(note);
    log[level](fields, message);
  }

  function observeSeed(note: SeedNote): void {
    const { level, fields, message } = describeSeed(note);
    log[level](fields, message);
  }

  const { configuredIdentity } = core;
  // A file is there at once; what has to be fetched must not keep the clients waiting.
  const isSeedLocal = settings.seed !== undefined && !/^https?:/i.test(settings.seed);
  if (isSeedLocal) await storage.loadSeed(configuredIdentity);
  loop.post({ kind: 'disk_loaded', view: storage.first(configuredIdentity) });
  if (settings.seed !== undefined && !isSeedLocal) {
    storage.loadSeed(configuredIdentity).then(
      isThere => {
        if (isThere && !core.isDraining) loop.post({ kind: 'seed_loaded' });
      },
      (error: unknown) => observeSeed({ kind: 'seed_failed', error: String(error) }),
    );
  }
  const listenAddresses: Address[] = [];
  try {
    for (const address of settings.listen) listenAddresses.push(await local.listen(address));
  } catch (error) {
    await local.stop(0);
    await storage.close();
    const failed = settings.listen[listenAddresses.length];
    throw new AgentError(`cannot listen on ${failed ? formatAddress(failed) : '(nothing)'} (setting listen)`, {
      cause: error,
      exitCode: exitCodes.failed,
    });
  }

  const cache = (): CacheReport | undefined => {
    if (!storage.disk) return undefined;
    const { state } = storage.disk;
    const failing = state.kind === 'failing' ? state : undefined;
    return { state: state.kind, error: failing?.error, sinceWallMs: failing?.sinceWallMs, bytes: storage.disk.size() };
  };
  const state = (): ProcessState => ({
    startedWallMs,
    nowWallMs: Date.now(),
    isListening: !core.isDraining,
    cache: cache(),
    isSeeded: storage.seed !== undefined,
  });
  const source: AdminSource = {
    report: () => inspect(core, state()),
    resources: (viewKey, typeUrl) => resourcesOf(core, viewKey, typeUrl),
    *metrics() {
      yield* counters.samples();
      yield* gauges(core, Date.now(), cache());
    },
  };
  const { readyGraceMs } = settings;
  let admin: Awaited<ReturnType<typeof createAdminServer>>;
  try {
    admin = await createAdminServer({
      source,
      control: createControl(core, storage, loop.post),
      addresses: [settings.admin],
      socketPath: settings.cacheDir === undefined ? undefined : join(ownDirectory(settings.cacheDir), 'admin.sock'),
      healthAddresses: settings.health,
      health: {
        live: () => ({ isOk: true, reason: 'the event loop answers' }),
        started: () => startedVerdict(source.report()),
        ready: isStrict => readyVerdict(source.report(), { readyGraceMs, isStrict }),
      },
      onError: (error, url) => log.warn({ url, error: String(error) }, 'an admin page failed'),
      onNoSocket: (path, error) => {
        log.warn(
          { path, error: AgentError.from(error).describe() },
          'no admin socket: weir guard and weir cache cannot ask this agent',
        );
      },
    });
  } catch (error) {
    await local.stop(0);
    await storage.close();
    throw new AgentError('cannot start the admin pages (settings admin, health)', { cause: error });
  }

  storage.loadedFine();
  const onCrash = (): void => storage.crashed();
  process.once('uncaughtExceptionMonitor', onCrash);
  const listen = listenAddresses.map(formatAddress);
  const adminAddress = admin.addresses[0] ?? settings.admin;
  log.info({ listen, admin: formatAddress(adminAddress), upstream: settings.upstream.map(formatAddress) }, 'listening');

  const { promise: stopped, resolve: stop } = Promise.withResolvers<number>();
  let draining: Promise<void> | undefined;
  const drain = async (reason: string): Promise<void> => {
    log.info({}, `stopping: ${reason}`);
    loop.post({ kind: 'drain_requested' });
    upstream.closeAll();
    await local.stop(settings.drainTimeoutMs);
    await admin.close();
    loop.stop();
    process.off('uncaughtExceptionMonitor', onCrash);
    await storage.close();
    log.info({}, 'stopped');
    stop(exitCodes.ok);
  };
  return {
    listenAddresses,
    adminAddress,
    drain: reason => {
      draining ??= drain(reason);
      return draining;
    },
    stopped,
  };
}

/** The core's part of the settings, in its own words. */
function coreSettings(settings: Settings): CoreSettings {
  return {
    addresses: settings.upstream.map(formatAddress),
    variant: settings.upstreamVariant,
    reconnectBaseMs: settings.reconnectBaseMs,
    reconnectMaxMs: settings.reconnectMaxMs,
    resourcesMax: settings.resourcesPerTypeMax,
    completeQuietMs: settings.completeQuietMs,
    absentQuietMs: settings.absentQuietMs,
    absentTimeoutMs: settings.absentTimeoutMs,
    lingerMs: settings.lingerMs,
    restoredLingerMs: settings.restoredLingerMs,
    isResuming: settings.resume,
    isStoring: settings.cacheDir !== undefined,
    cacheMatch: settings.cacheMatch,
    guard: settings.guard,
    guardGraceMs: settings.guardGraceMs,
    guardWindowMs: settings.guardWindowMs,
    guardPercent: settings.guardPercent,
    maxAges: settings.maxAge,
    startup: settings.startup,
    startupGraceMs: settings.startupGraceMs,
    namesMax: settings.namesPerTypeMax,
    nameBytesMax: settings.nameBytesMax,
    nodeBytesMax: settings.nodeBytesMax,
    typesMax: settings.typesPerStreamMax,
    viewTypesMax: settings.typesPerViewMax,
    removalHoldMs: settings.removalHoldMs,
    warmHoldMs: settings.warmHoldMs,
    nodeSharing: settings.nodeSharing,
    dropExtensions: settings.nodeExtensions === 'drop',
    node:
      settings.nodeId === undefined
        ? undefined
        : {
            id: settings.nodeId,
            cluster: settings.nodeCluster ?? '',
            region: settings.nodeRegion ?? '',
            zone: settings.nodeZone ?? '',
            subZone: settings.nodeSubZone ?? '',
            metadata: settings.nodeMetadata ?? {},
          },
    ack: settings.ack,
    ackWaitMs: settings.ackWaitMs,
    clientStreamsMax: settings.clientStreamsMax,
    responseBytesInFlightMax: settings.responseBytesInFlightMax,
    clientProgressTimeoutMs: settings.clientProgressTimeoutMs,
    firstRequestTimeoutMs: settings.firstRequestTimeoutMs,
    grpcUnansweredTimeoutMs: settings.grpcUnansweredTimeoutMs,
  };
}
