import { istioKinds } from '../../../src/istio/kinds.ts';
import { runSource } from '../../../src/source/run.ts';
import { sourceLimits } from '../../../src/source/settings.ts';
import type { SourceEvent } from '../../../src/source/source-events.ts';
import { childConfig } from '../child.ts';
import { nowUs } from '../payload.ts';
import { onLine, sayLine } from './line-child.ts';
import { indexOf, serviceKind, serviceResource } from './services.ts';

// Weir's own source with a reader that changes a resource when it is told to, instead of watching a folder or Kubernetes.

/** Configuration of the program. */
export interface MeshSourceConfig {
  readonly resources: number;
  readonly namespaces: number;
}

/** What the bench asks of a source. */
export type MeshSourceCommand =
  /** Make changes, one resource after the other, until this one is made. */
  { readonly kind: 'until'; readonly serial: number } | { readonly kind: 'stats' };

/** What it tells the bench. */
export type MeshSourceReport =
  | { readonly kind: 'listening'; readonly port: number }
  | {
      readonly kind: 'stats';
      readonly streamsOpened: number;
      readonly rejections: number;
      /** Now, on the clock of the stamps. */
      readonly nowUs: number;
    };

/** Starts the source and takes commands until its standard input ends. */
async function main(): Promise<void> {
  const { resources, namespaces } = childConfig<MeshSourceConfig>();
  let [streamsOpened, rejections, serial] = [0, 0, 0];
  let tell: (event: SourceEvent) => void = () => {};

  const source = await runSource({
    // As where everything is read: all kinds, of which one has resources.
    settings: { ...sourceLimits, kinds: istioKinds, readsMeshConfig: true },
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
    tls: undefined,
    health: [],
    read: async told => {
      tell = told;
      for (const of of istioKinds) {
        const count = of === serviceKind ? resources : 0;
        const all = Array.from({ length: count }, (_, index) => serviceResource(index, namespaces, 0, 0));
        tell({ kind: 'whole', of, resources: all });
      }
      tell({ kind: 'mesh_config', any: undefined });
      return { close: async () => {} };
    },
    log: ({ level, message }) => {
      if (message === 'client connected') streamsOpened += 1;
      else if (level === 'warn' && message.startsWith('client rejected')) rejections += 1;
      // As with `--log-level warn`.
      if (level === 'warn') process.stderr.write(`${message}\n`);
    },
    tlsNote: () => {},
  });
  const [address] = source.listenAddresses;
  if (address?.kind !== 'tcp') throw new Error('the source listens nowhere');

  onLine<MeshSourceCommand>(command => {
    if (command.kind === 'stats') {
      sayLine<MeshSourceReport>({ kind: 'stats', streamsOpened, rejections, nowUs: nowUs() });
      return;
    }
    for (; serial < command.serial; serial += 1) {
      const resource = serviceResource(indexOf(serial + 1, resources), namespaces, serial + 1, nowUs());
      tell({ kind: 'changed', of: serviceKind, resources: [resource], removed: [] });
    }
  });
  sayLine<MeshSourceReport>({ kind: 'listening', port: address.port });
}

// As a bundle it is no module, which could wait at its top.
void main();
