import { servePages } from '../admin/process-pages.ts';
import { LocalServer } from '../local-ads/server.ts';
import type { TlsNote, TlsPaths } from '../net/tls-files.ts';
import { type Address, formatAddress } from '../xds/address.ts';
import { unreachable } from '../xds/assert.ts';
import { SourceCore, type SourceCoreEvent, type SourceEffect, type SourceNote } from './core.ts';
import { describeSource, type SourceLine } from './notes.ts';
import type { SourceSettings } from './settings.ts';
import type { SourceEvent, SourceReader } from './source-events.ts';
import { readiness, SourceStatus } from './status.ts';

/** How a source is run. */
export interface RunSourceOptions {
  readonly settings: SourceSettings;
  readonly listen: readonly Address[];
  /** Undefined for plain connections. */
  readonly tls: TlsPaths | undefined;
  /** Where health, metrics and status are. */
  readonly health: readonly Address[];
  /** Begins to read; it may tell at once. */
  readonly read: (tell: (event: SourceEvent) => void) => Promise<SourceReader>;
  readonly log: (line: SourceLine) => void;
  readonly tlsNote: (note: TlsNote) => void;
}

/** A source at work. */
export interface RunningSource {
  /** With real ports. */
  readonly listenAddresses: readonly Address[];
  readonly healthAddresses: readonly Address[];
  /** Tells the clients to go, and ends. */
  stop(reason: string): Promise<void>;
}

/** How often it is looked for clients whose time is over, in ms. */
const tickEveryMs = 1_000;
/** How long the last bytes of ended streams may take, in ms. */
const stopWithinMs = 2_000;

/**
 * Starts the source: it listens at once, and answers each kind as soon as that was read.
 *
 * @throws Error that says which address cannot be used, or why nothing can be read at all
 */
export async function runSource(options: RunSourceOptions): Promise<RunningSource> {
  const { settings, log } = options;
  const core = new SourceCore(settings);
  const status = new SourceStatus();
  const queue: SourceCoreEvent[] = [];
  let isBusy = false;
  const post = (event: SourceCoreEvent): void => {
    queue.push(event);
    if (isBusy) return;
    isBusy = true;
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        for (const effect of core.handle(next, performance.now())) perform(effect);
      }
    } finally {
      isBusy = false;
    }
  };
  // Only where tokens are reviewed is a stream refused before the core hears of it; the source reviews none.
  const local = new LocalServer(settings, core.newStreamId, post, options.tlsNote, () => {}, []);

  function perform(effect: SourceEffect): void {
    switch (effect.kind) {
      case 'send_client':
        return local.send(effect.streamId, effect.bytes);
      case 'close_client':
        return local.close(effect.streamId, effect.code, effect.message);
      case 'note':
        return observe(effect.note);
      default:
        return unreachable(effect);
    }
  }

  function observe(note: SourceNote): void {
    status.observe(note, Date.now());
    const line = describeSource(note);
    if (line) log(line);
  }

  const closers: (() => void | Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) await end();
    await local.stop(stopWithinMs);
  };
  try {
    const listenAddresses: Address[] = [];
    for (const address of options.listen) {
      const tls = address.kind === 'tcp' ? options.tls : undefined;
      listenAddresses.push(await local.listen({ address, tls, review: undefined, allowsSecrets: true }));
    }
    const ready = () => readiness([...core.stores.states()], status.troubles);
    const healthAddresses: Address[] = [];
    for (const address of options.health) {
      const pages = await servePages(address, {
        ready,
        metrics: () => status.samples(core.stores.states(), core.clients),
        status: () => ({
          ready: ready(),
          clients: core.clients,
          kinds: [...core.stores.states()],
          troubles: status.troubles,
        }),
      });
      healthAddresses.push(pages.address);
      closers.push(pages.close);
    }
    const reader = await options.read(post);
    closers.push(() => reader.close());
    const timer = setInterval(() => post({ kind: 'tick' }), tickEveryMs).unref();
    closers.push(() => clearInterval(timer));
    const fields = { listen: listenAddresses.map(formatAddress), health: healthAddresses.map(formatAddress) };
    log({ level: 'info', message: 'serving mesh configuration', fields });
    return {
      listenAddresses,
      healthAddresses,
      stop: async reason => {
        log({ level: 'info', message: `stopping: ${reason}`, fields: {} });
        await close();
        log({ level: 'info', message: 'stopped', fields: {} });
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
