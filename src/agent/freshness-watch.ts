import { traitsOf } from '../xds/type-urls.ts';
import type { Clock, TypeUrl } from '../xds/types.ts';
import type { Note } from './events.ts';
import type { MaxAge } from './freshness.ts';
import { confirmedAtMs, type TypeView, writeState } from './type-view.ts';

/** How often the disk is told that everything is still current, in ms. */
const confirmationMs = 60_000;

/** What is allowed to be old. */
export interface FreshnessSettings {
  /** By short name of the type; `*` for all others. */
  readonly maxAges: ReadonlyMap<string, MaxAge>;
  /** Whether changes are told to a disk. */
  readonly isStoring: boolean;
}

/** Watches how current the types of one view are, and what has to be withheld or said for it. */
export class FreshnessWatch {
  readonly #settings: FreshnessSettings;
  readonly #note: (note: Note) => void;
  readonly #touched = new Set<TypeView>();
  #confirmAtMs = Infinity;

  constructor(settings: FreshnessSettings, note: (note: Note) => void) {
    this.#settings = settings;
    this.#note = note;
  }

  /** When {@link confirm} is due, on the monotonic clock in ms. */
  get confirmAtMs(): number {
    return this.#confirmAtMs;
  }

  /** Types of which clients may be told something now, since the last call. */
  takeTouched(): TypeView[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  maxAgeOf(typeUrl: TypeUrl): MaxAge | undefined {
    const { maxAges } = this.#settings;
    return maxAges.get(traitsOf(typeUrl).shortName) ?? maxAges.get('*');
  }

  /** Brings everything up to date. */
  refresh(types: Iterable<TypeView>, clock: Clock): void {
    let isAnyOpen = false;
    for (const type of types) {
      isAnyOpen ||= type.feeds.some(feed => feed.session.isOpen);
      this.#refreshType(type, clock);
    }
    if (!isAnyOpen || !this.#settings.isStoring) this.#confirmAtMs = Infinity;
    else if (this.#confirmAtMs === Infinity) this.#confirmAtMs = clock.monotonicMs + confirmationMs;
  }

  /** Tells the disk what is current at this moment: a restart counts the age of the cache from here. */
  confirm(types: Iterable<TypeView>, clock: Clock): void {
    const all = [...types];
    this.#confirmAtMs = Infinity;
    this.refresh(all, clock);
    for (const type of all) if (type.freshness.isCurrent) writeState(type);
  }

  #refreshType(type: TypeView, clock: Clock): void {
    const { freshness, typeUrl, store } = type;
    const change = freshness.update(confirmedAtMs(type), clock);
    if (store.isProvisional && freshness.isCurrent) {
      store.isProvisional = false;
      this.#touched.add(type);
    }
    if (change === 'lost upstream') writeState(type);
    if (change === 'became stale' && freshness.maxAge) {
      const { action, ms: maxAgeMs } = freshness.maxAge;
      this.#note({ kind: 'type_stale', typeUrl, ageMs: freshness.ageMs(clock.wallMs) ?? 0, maxAgeMs, action });
    }
    const isTooOld = freshness.isStale && freshness.maxAge?.action === 'withhold';
    const isAwaited = !freshness.isCurrent && clock.monotonicMs < (type.awaitedUntilMs ?? -Infinity);
    if (!isAwaited) type.awaitedUntilMs = undefined;
    if (store.isWithheld === (isTooOld || isAwaited)) return;
    store.isWithheld = isTooOld || isAwaited;
    this.#touched.add(type);
  }
}
