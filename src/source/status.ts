import type { MetricSample, MetricSpec } from '../admin/metric-sample.ts';
import { istioKinds, kindNameOf, meshConfigTypeUrl } from '../istio/kinds.ts';
import { unreachable } from '../xds/assert.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { SourceNote } from './core.ts';
import type { KindState } from './mesh-stores.ts';

/** Something that cannot be read. */
export interface OpenTrouble {
  readonly kind: string | undefined;
  readonly text: string;
  readonly sinceWallMs: number;
}

const anyKind = 'all';
const otherKind = 'other';
const readKinds = [...istioKinds.map(({ kind }) => kind), kindNameOf(meshConfigTypeUrl) ?? otherKind];
const byKind = { kind: readKinds };
const whenAsked = 'a client has asked for the kind';

/** All metrics of `weir source`, by name without the prefix `weir_`. */
export const sourceMetrics = {
  source_clients: { kind: 'gauge', help: 'Client streams.' },
  source_resources: { kind: 'gauge', help: 'Resources read.', labels: byKind },
  source_known: {
    kind: 'gauge',
    help: '1 once the complete state of a kind was read. Until then clients wait for it.',
    labels: byKind,
  },
  source_trouble: {
    kind: 'gauge',
    help: '1 while something of a kind cannot be read. What was read before goes on.',
    labels: byKind,
  },
  source_changes_total: {
    kind: 'counter',
    help: 'Changes read: whole states and differences.',
    labels: { kind: [...readKinds, anyKind] },
    when: 'something was read',
  },
  source_troubles_total: {
    kind: 'counter',
    help: 'Times that something could not be read.',
    labels: { kind: [...readKinds, anyKind] },
    when: 'it has happened; `all` for what is of no single kind',
  },
  source_messages_total: {
    kind: 'counter',
    help: 'Messages written to clients of the source.',
    labels: { kind: [...readKinds, otherKind] },
    when: whenAsked,
  },
  source_bytes_total: {
    kind: 'counter',
    help: 'Size of those messages.',
    unit: 'bytes',
    labels: { kind: [...readKinds, otherKind] },
    when: whenAsked,
  },
  source_rejections_total: {
    kind: 'counter',
    help: 'Rejections (NACK) by clients.',
    labels: { kind: [...readKinds, otherKind] },
    when: 'a client has rejected something',
  },
} as const satisfies Record<string, MetricSpec>;

type Name = keyof typeof sourceMetrics;

/** Counts what the source notes, and keeps what is wrong at the moment. */
export class SourceStatus {
  readonly #counters = new Map<string, { readonly name: Name; readonly kind: string; value: number }>();
  readonly #troubles = new Map<string, OpenTrouble>();

  observe(note: SourceNote, wallMs: number): void {
    switch (note.kind) {
      case 'client_attached':
      case 'client_detached':
      case 'client_refused':
        break;
      case 'client_nack':
        this.#count('source_rejections_total', labelOf(note.typeUrl), 1);
        break;
      case 'client_sent':
        this.#count('source_messages_total', labelOf(note.typeUrl), 1);
        this.#count('source_bytes_total', labelOf(note.typeUrl), note.bytes);
        break;
      case 'read': {
        const { event } = note;
        const kind = 'of' in event ? event.of?.kind : 'MeshConfig';
        if (event.kind === 'trouble') {
          this.#count('source_troubles_total', kind ?? anyKind, 1);
          const since = this.#troubles.get(kind ?? '')?.sinceWallMs ?? wallMs;
          this.#troubles.set(kind ?? '', { kind, text: event.text, sinceWallMs: since });
        } else if (event.kind === 'recovered') this.#troubles.delete(kind ?? '');
        else this.#count('source_changes_total', kind ?? anyKind, 1);
        break;
      }
      default:
        unreachable(note);
    }
  }

  /** What cannot be read now. */
  get troubles(): readonly OpenTrouble[] {
    return [...this.#troubles.values()];
  }

  /** Current values, for `/metrics`. */
  *samples(states: Iterable<KindState>, clients: number): Generator<MetricSample> {
    for (const { name, kind, value } of this.#counters.values()) yield sample(name, kind, value);
    yield sample('source_clients', undefined, clients);
    for (const { kind, isKnown, resources } of states) {
      yield sample('source_resources', kind, resources);
      yield sample('source_known', kind, isKnown ? 1 : 0);
      yield sample('source_trouble', kind, this.#troubles.has(kind) || this.#troubles.has('') ? 1 : 0);
    }
  }

  #count(name: Name, kind: string, amount: number): void {
    const key = `${name} ${kind}`;
    const counter = this.#counters.get(key);
    if (counter) counter.value += amount;
    else this.#counters.set(key, { name, kind, value: amount });
  }
}

/** Whether clients can be served all that is to be read, and if not, what is missing. */
export function readiness(
  states: readonly KindState[],
  troubles: readonly OpenTrouble[],
): { readonly isOk: boolean; readonly reason: string } {
  const missing = states.filter(({ isKnown }) => !isKnown).map(({ kind }) => kind);
  if (missing.length === 0) return { isOk: true, reason: `all of ${states.length} kinds were read` };
  const why = troubles.map(({ text }) => text).join('; ');
  return { isOk: false, reason: `never read: ${missing.join(', ')}${why === '' ? '' : ` (${why})`}` };
}

function sample(name: Name, of: string | undefined, value: number): MetricSample {
  const { kind, help } = sourceMetrics[name];
  return { name, kind, help, labels: of === undefined ? [] : [['kind', of]], value };
}

/** Bounded in number whatever clients ask for. */
function labelOf(typeUrl: TypeUrl): string {
  return kindNameOf(typeUrl) ?? otherKind;
}
