import type { AgentEvent } from './agent-event.ts';
import type { HeldResource, QuarantineReport, UpstreamReport } from './reports.ts';

/** Which resource is to be explained. */
export interface ExplainQuery {
  /** The exact name. */
  readonly name: string;
  /** In this type only; without it, in all that have to do with the name. */
  readonly typeUrl?: string | undefined;
}

/** Why clients are not served a resource. */
export type MissingReason =
  /** No client asks for it, nor for everything of its type. */
  | { readonly kind: 'not asked for' }
  /** The node may not see it (setting scopes). */
  | { readonly kind: 'out of scope' }
  /** Every client that answered rejected it, and there is nothing to serve in its place. */
  | { readonly kind: 'quarantined'; readonly quarantine: QuarantineReport }
  /** It is held, and too old for clients that start. */
  | { readonly kind: 'withheld'; readonly ageMs: number | undefined }
  /** Upstream answered with an error in its place. */
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  /** It was there, and went. `event`: when and why; undefined where the agent does not remember. */
  | { readonly kind: 'removed'; readonly event: AgentEvent | undefined }
  /** Upstream says that it does not exist; `inferred`: it answered the same request without it. */
  | { readonly kind: 'does not exist'; readonly isInferred: boolean }
  /** The whole list of upstream lacks it. */
  | { readonly kind: 'not in the list'; readonly resources: number }
  /** Upstream has not sent its whole list yet, and this was not in what it has sent. */
  | { readonly kind: 'list incomplete'; readonly resources: number }
  /** Upstream has given no answer on it within the time that xDS allows. */
  | { readonly kind: 'timed out' }
  /** There is no stream to ask on; the report of the stream says since when and why. */
  | { readonly kind: 'upstream away' }
  /** It was asked for; `waitedMs` undefined where the request has not left yet. */
  | { readonly kind: 'not answered'; readonly waitedMs: number | undefined };

/** What is known of a name in one type of one view. */
export interface ExplainedName {
  readonly viewKey: string;
  readonly typeUrl: string;
  readonly shortName: string;
  /** What is held of it, with what clients have said: the worst words first, and not more than a screen of them. */
  readonly resource: HeldResource | undefined;
  /** Undefined while clients are served it. */
  readonly missing: MissingReason | undefined;
  /** Content that clients rejected while an older one is served. */
  readonly refused: { readonly version: string; readonly bytes: number; readonly digest: string } | undefined;
  readonly asked: {
    /** Upstream is asked for everything of the type. */
    readonly isWildcard: boolean;
    /** Clients that ask for it, by its name or by a wildcard. */
    readonly clients: number;
    /** Node ids of the first of those. */
    readonly nodeIds: readonly string[];
    /** Node ids of clients whose scope does not let them see it. */
    readonly deniedTo: readonly string[];
  };
  /** Names that clients which rejected it speak of instead: it only stood in the same message. Empty where they speak of it, or of none. */
  readonly rejectedAlongWith: readonly string[];
  /** The guard holds its removal back: upstream does not have it any more. */
  readonly isRemovalHeld: boolean;
  /** Streams that its type comes on. */
  readonly upstreams: readonly UpstreamReport[];
  /** Updates and incidents that name it, oldest first, the newest of them. */
  readonly events: readonly AgentEvent[];
}

/** All that an agent knows of a resource. */
export interface Explanation {
  readonly name: string;
  readonly nowWallMs: number;
  /** Where something is known of it. Where nothing is anywhere: why not, in each type that is asked for. */
  readonly found: readonly ExplainedName[];
  /** Whether the name itself is known anywhere. */
  readonly isKnown: boolean;
  /** Names like it, the nearest first. */
  readonly near: readonly { readonly shortName: string; readonly typeUrl: string; readonly name: string }[];
}
