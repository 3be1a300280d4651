import type { MetricSample } from '../admin/metric-sample.ts';
import { kindNameOf } from '../istio/kinds.ts';
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

const help = {
  source_messages_total: 'Messages written to clients of the source, by kind.',
  source_bytes_total: 'Size of those messages in bytes.',
  source_rejections_total: 'Rejections by clients.',
  source_changes_total: 'Changes read, by kind: whole states and differences.',
  source_troubles_total: 'Times that something could not be read.',
  source_clients: 'Client streams.',
  source_resources: 'Resources read, by kind.',
  source_known: 'Whether the complete state of a kind was read: 1 or 0. Until then clients wait for it.',
  source_trouble: 'Whether something of a kind cannot be read now: 1 or 0. What was read before goes on.',
} as const;

type Name = keyof typeof help;

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
          this.#count('source_troubles_total', kind ?? 'all', 1);
          const since = this.#troubles.get(kind ?? '')?.sinceWallMs ?? wallMs;
          this.#troubles.set(kind ?? '', { kind, text: event.text, sinceWallMs: since });
        } else if (event.kind === 'recovered') this.#troubles.delete(kind ?? '');
        else this.#count('source_changes_total', kind ?? 'all', 1);
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
    for (const { name, kind, value } of this.#counters.values()) yield sample(name, 'counter', kind, value);
    yield sample('source_clients', 'gauge', undefined, clients);
    for (const { kind, isKnown, resources } of states) {
      yield sample('source_resources', 'gauge', kind, resources);
      yield sample('source_known', 'gauge', kind, isKnown ? 1 : 0);
      yield sample('source_trouble', 'gauge', kind, this.#troubles.has(kind) || this.#troubles.has('') ? 1 : 0);
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

function sample(name: Name, kind: 'counter' | 'gauge', of: string | undefined, value: number): MetricSample {
  return { name, kind, help: help[name], labels: of === undefined ? [] : [['kind', of]], value };
}

/** Bounded in number whatever clients ask for. */
function labelOf(typeUrl: TypeUrl): string {
  return kindNameOf(typeUrl) ?? 'other';
}
