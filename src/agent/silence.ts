import type { Session } from '../upstream/session.ts';
import { endpointType } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Note } from './events.ts';
import type { Intake } from './intake.ts';
import { References } from './references.ts';
import type { TypeView } from './type-view.ts';

/** Types that belong together: the ones that are served, or a set that is to take their place. */
export class SilenceReader {
  readonly #types: ReadonlyMap<TypeUrl, TypeView>;
  readonly #references: References;
  readonly #intake: Intake;
  readonly #note: (note: Note) => void;

  /** @param types live */
  constructor(types: ReadonlyMap<TypeUrl, TypeView>, intake: Intake, note: (note: Note) => void) {
    this.#types = types;
    this.#references = new References(types);
    this.#intake = intake;
    this.#note = note;
  }

  /** Reads what the silence of a session has told by now (R95, R115, R116). Returns the types whose clients may have to be told something. */
  read(session: Session, nowMs: number): TypeView[] {
    const touched: TypeView[] = [];
    for (const [typeUrl, verdicts] of session.due(nowMs, this.#references.isKnownMissing)) {
      const type = this.#types.get(typeUrl);
      if (!type) continue;
      this.#noteMissing(type, verdicts.inferred, 'inferred');
      // A set of all clusters does not say that one asked for by name is not being made at this moment (R48): good for whole lists only.
      this.#noteMissing(type, verdicts.presumed, type.store.traits.isFullState ? 'timeout' : 'inferred');
      this.#noteMissing(type, verdicts.timedOut, 'timeout');
      if (verdicts.isComplete && session === type.main.session) this.#intake.complete(type, nowMs);
      touched.push(type);
    }
    return touched;
  }

  #noteMissing(type: TypeView, names: readonly string[], reason: 'inferred' | 'timeout'): void {
    if (names.length === 0) return;
    for (const name of names) {
      // A cluster that refers to these endpoints may be warming: its client must not be told that they are gone (R95).
      const isNeeded = type.typeUrl === endpointType && this.#references.has(name);
      type.store.setAbsent(name, isNeeded ? 'timeout' : reason);
    }
    this.#note({ kind: 'names_missing', typeUrl: type.typeUrl, names, reason });
  }
}
