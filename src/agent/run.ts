import { EventStreams } from '../admin/event-stream.ts';
import type { CacheReport } from '../admin/reports.ts';
import { createAdminServer } from '../admin/server.ts';
import type { AdminSource } from '../admin/source.ts';
import { BodyPool, ownBodies } from '../cache/body-pool.ts';
import { createIdleTier, createIdleViews } from '../cache/idle.ts';
import { LocalServer } from '../local-ads/server.ts';
import { adminSocketPath } from '../net/own-directory.ts';
import { Recorder } from '../recording/recorder.ts';
import { UpstreamChannels } from '../upstream/channel.ts';
import { ConnectionPool } from '../upstream/connection-pool.ts';
import { UpstreamCredentials } from '../upstream/credentials.ts';
import { type Address, formatAddress } from '../xds/address.ts';
import { unreachable } from '../xds/assert.ts';
import { accessWarnings } from './access-check.ts';
import { agentSamples } from './agent-samples.ts';
import { createControl } from './control.ts';
import { Core } from './core.ts';
import { coreSettings, hasManyViews, localListeners } from './core-settings.ts';
import { credentialSettings } from './credential-notes.ts';
import { Entrance } from './entrance.ts';
import { AgentError, exitCodes } from './errors.ts';
import type { CoreEffect } from './events.ts';
import { explain } from './explain.ts';
import { heldResources } from './held-resources.ts';
import { inspect, type ProcessState, resourcesOf, trendLook } from './inspect.ts';
import { listenerName } from './listener-settings.ts';
import type { Logger } from './log.ts';
import { Loop, readClock } from './loop.ts';
import { Observer } from './observer.ts';
import { ProcessWatch, readMemory } from './process-watch.ts';
import { readyVerdict, startedVerdict } from './readiness.ts';
import type { Settings } from './settings.ts';
import { sideServices } from './side-services.ts';
import { SmallHeap } from './small-heap.ts';
import { openStorage } from './storage.ts';
import { createTokenReviewer } from './token-review.ts';
import { Trend, trendEveryMs } from './trend.ts';
import { upstreamWarnings } from './upstream-check.ts';

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
 * Starts the agent: core, upstream channels, local endpoint, what was stored, admin pages, in this order, so that nothing is promised before it works. The addresses are
 * there before the disk is read: it costs no client a refused connection.
 *
 * @param version of this program, for whoever looks at its metrics
 * @throws AgentError when an address cannot be used
 */
export async function startAgent(settings: Settings, log: Logger, version = 'unknown'): Promise<RunningAgent> {
  const startedWallMs = Date.now();
  const processWatch = new ProcessWatch(startedWallMs, version);
  for (const warning of [...accessWarnings(settings), ...upstreamWarnings(settings)]) log.warn({}, warning);
  const observer = new Observer(log);
  const { counters } = observer;
  // Before there is a core, nothing is held that would have to be written once more.
  let onLost = (): void => {};
  const storage = await openStorage(settings, {
    note: observer.disk,
    seedNote: observer.seed,
    onLost: () => onLost(),
    onWritten: observer.diskWritten,
  });
  const idleViews = createIdleViews(settings.nodesMax, settings.nodeKeepMs);
  const pool = hasManyViews(settings) ? new BodyPool() : undefined;
  const tiers = { idle: createIdleTier(settings.idleResourcesMax), idleViews, bodies: pool ?? ownBodies };
  const core = new Core(coreSettings(settings), tiers, storage, Math.random);
  const loop = new Loop(core, perform);
  onLost = () => loop.post({ kind: 'disk_lost' });
  const credentials = new UpstreamCredentials(credentialSettings(settings), observer.credential, what => {
    if (what === 'certificate') connections.renew();
    loop.post({ kind: 'credentials_changed' });
  });
  const connections = new ConnectionPool(settings, credentials);
  const recorder = new Recorder();
  const smallHeap = new SmallHeap();
  const upstream = new UpstreamChannels(connections, event => {
    recorder.observe(event, performance.now());
    if (event.kind === 'upstream_response') smallHeap.begin();
    loop.post(event);
  });
  const sides = sideServices(settings, core, connections, counters);
  const { services } = sides;
  const entrance = new Entrance(loop.post);
  const local = new LocalServer(settings, core.newStreamId, entrance.post, observer.tls, observer.refused, services);

  function perform(effect: CoreEffect): void {
    switch (effect.kind) {
      case 'open_upstream':
        recorder.observe(effect, performance.now());
        return upstream.open(effect.streamId, effect.variant, effect.address);
      case 'send_upstream':
        counters.requested(effect.bytes.length);
        recorder.observe(effect, performance.now());
        return upstream.send(effect.streamId, effect.bytes);
      case 'probe_upstream':
        return upstream.probe(effect.streamId);
      case 'close_upstream':
        recorder.observe(effect, performance.now());
        return upstream.close(effect.streamId);
      case 'send_client':
        return local.send(effect.streamId, effect.bytes);
      case 'close_client':
        return local.close(effect.streamId, effect.code, effect.message);
      case 'write_disk':
        return storage.write(effect.changes);
      case 'note':
        return observer.note(effect.note, effect.viewKey);
      default:
        return unreachable(effect);
    }
  }

  const listeners = localListeners(settings);
  const listenAddresses: Address[] = [];
  try {
    for (const listener of listeners) {
      const review = listener.tokenReview ? createTokenReviewer(settings) : undefined;
      listenAddresses.push(await local.listen({ ...listener, review, allowsSecrets: settings.sdsOverTcp === 'allow' }));
    }
  } catch (error) {
    await local.stop(0);
    await storage.close();
    const failed = listeners[listenAddresses.length];
    throw new AgentError(`cannot listen on ${failed ? listenerName(failed) : '(nothing)'} (setting listen)`, {
      cause: error,
      exitCode: exitCodes.failed,
    });
  }

  const { configuredIdentity } = core;
  // A file is there at once; what has to be fetched must not keep the clients waiting.
  const isSeedLocal = settings.seed !== undefined && !/^https?:/i.test(settings.seed);
  if (isSeedLocal) await storage.loadSeed(configuredIdentity);
  loop.post({ kind: 'disk_loaded', view: storage.first(configuredIdentity) });
  entrance.open();
  if (settings.seed !== undefined && !isSeedLocal) {
    storage.loadSeed(configuredIdentity).then(
      isThere => {
        if (isThere && !core.isDraining) loop.post({ kind: 'seed_loaded' });
      },
      (error: unknown) => observer.seed({ kind: 'seed_failed', error: String(error) }),
    );
  }

  const cache = (): CacheReport | undefined => {
    if (!storage.disk) return undefined;
    const { state } = storage.disk;
    const failing = state.kind === 'failing' ? state : undefined;
    const { error, sinceWallMs } = failing ?? {};
    const keepsSecrets = settings.secrets !== 'memory';
    return { state: state.kind, error, sinceWallMs, bytes: storage.disk.size(), keepsSecrets };
  };
  const state = (): ProcessState => ({
    startedWallMs,
    clock: readClock(),
    isListening: !core.isDraining,
    memory: readMemory(),
    servers: settings.upstream.map(formatAddress),
    cache: cache(),
    isSeeded: storage.seed !== undefined,
    load: counters.load(),
    refusals: observer.refusals.list(Date.now()),
    idleNodes: { count: idleViews.size, keptMs: settings.nodeKeepMs },
  });
  const source: AdminSource = {
    report: () => inspect(core, state()),
    resources: (viewKey, typeUrl) => resourcesOf(core, viewKey, typeUrl),
    held: query => heldResources(core, query, readClock()),
    metrics: () =>
      agentSamples({
        process: processWatch,
        observer,
        core,
        nowWallMs: Date.now(),
        disk: storage.disk && { isFailing: storage.disk.state.kind === 'failing', figures: storage.disk.figures() },
        shared: {
          connections: connections.size,
          idle: tiers.idle,
          idleNodes: idleViews.size,
          bodies: pool?.census(),
        },
        expiries: credentials.expiries,
        listenerCertificateMs: local.certificateEndsMs,
      }),
    events: query => observer.journal.events(query),
    explain: query => explain(core, query, asked => observer.journal.events(asked), readClock()),
    trend: () => trend.points(),
    drift: () => core.drift.report(),
  };
  const trend = new Trend();
  const lookAtTrend = (): void =>
    trend.take(trendLook(core, observer.latencies, process.memoryUsage.rss(), Date.now()));
  const trendTimer = setInterval(lookAtTrend, trendEveryMs).unref();
  const { readyGraceMs } = settings;
  const events = new EventStreams(observer.journal, String(startedWallMs));
  // Nobody can ask for it before there is something to end.
  let end = (_reason: string): void => {};
  let admin: Awaited<ReturnType<typeof createAdminServer>>;
  try {
    admin = await createAdminServer({
      source,
      // Once it has been answered.
      control: createControl(core, storage, recorder, events, observer.logLevel, loop.post, () =>
        setImmediate(() => end('weir drain')),
      ),
      addresses: [settings.admin],
      socketPath: settings.cacheDir === undefined ? undefined : adminSocketPath(settings.cacheDir),
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
    recorder.end();
    credentials.close();
    sides.close();
    await local.stop(settings.drainTimeoutMs);
    events.close();
    await admin.close();
    loop.stop();
    clearInterval(trendTimer);
    processWatch.close();
    smallHeap.close();
    observer.close();
    process.off('uncaughtExceptionMonitor', onCrash);
    await storage.close();
    idleViews.close();
    log.info({}, 'stopped');
    stop(exitCodes.ok);
  };
  const drainOnce = (reason: string): Promise<void> => {
    draining ??= drain(reason);
    return draining;
  };
  end = reason => {
    drainOnce(reason).catch((error: unknown) => log.error({ error: String(error) }, 'the end was not as it should be'));
  };
  return { listenAddresses, adminAddress, drain: drainOnce, stopped };
}
