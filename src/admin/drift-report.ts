import type { NameList } from './agent-event.ts';

/** What a drift check found of one type. */
export interface DriftTypeReport {
  readonly typeUrl: string;
  readonly shortName: string;
  /** Resources that a fresh fetch brought. */
  readonly fetched: number;
  /** The control plane has not answered for it, or not all of it, so nothing is said of it. */
  readonly isOpen: boolean;
  /** The control plane has them, and they are not held. */
  readonly missing: NameList;
  /** They are held, and the control plane does not have them. */
  readonly extra: NameList;
  /** Both have them, with other contents. */
  readonly different: NameList;
}

/** What the check of one upstream stream came to. */
export interface DriftCheck {
  readonly viewKey: string;
  readonly nodeId: string;
  /** Stream group, as in the report of upstream streams. */
  readonly group: string;
  /** Control plane, as configured. */
  readonly address: string;
  readonly beganWallMs: number;
  /** `incomplete`: nothing differs in what was answered, and something was not. */
  readonly outcome: 'same' | 'differs' | 'incomplete' | 'failed';
  /** Why it failed. */
  readonly reason: string | undefined;
  readonly types: readonly DriftTypeReport[];
}

/** Drift checks: what is held, compared with what the control plane sends to who asks for everything anew. */
export interface DriftReport {
  /** One is under way. */
  readonly running: { readonly beganWallMs: number } | undefined;
  /** The last one that came to its end. */
  readonly last:
    | { readonly beganWallMs: number; readonly endedWallMs: number; readonly checks: readonly DriftCheck[] }
    | undefined;
}
