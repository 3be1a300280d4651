import { type Entry, endpointNamesOf } from '../cache/entry.ts';
import type { ResourceFailure } from '../xds/discovery.ts';
import { clusterType, endpointType } from '../xds/type-urls.ts';
import type { TypeUrl, Variant } from '../xds/types.ts';
import type { NameForms } from './name-forms.ts';
import type { NonceBook } from './nonce-book.ts';
import type { SeenSet } from './seen-set.ts';
import type { Message, TypeSource } from './type-source.ts';

/** What one message tells. */
export interface MessageParts {
  /** All that the store serves, besides `entries`. */
  readonly isWhole?: boolean;
  readonly entries: readonly Entry[];
  /** Removed resources that stay in the list until their removal is released. */
  readonly kept?: readonly Entry[];
  /** Refused contents that are repeated so that the client keeps what it has in their place. */
  readonly refused?: readonly Entry[];
  readonly removed?: readonly string[];
  /** Of none of the entries (R24). */
  readonly errors?: readonly ResourceFailure[];
  /** Entries whose content is news to the client; by default all. */
  readonly changed?: readonly Entry[];
  /** Since when the client has not been told; by default since the last message. */
  readonly fromRevision?: number;
}

/** Writes the messages of one type to one client, and into the book what the client will answer to. */
export class MessageWriter {
  readonly #typeUrl: TypeUrl;
  readonly #variant: Variant;
  readonly #source: TypeSource;
  readonly #seen: SeenSet;
  readonly #nonces: NonceBook;
  readonly #forms: NameForms;
  readonly #controlPlane: () => string;

  constructor(
    typeUrl: TypeUrl,
    variant: Variant,
    source: TypeSource,
    seen: SeenSet,
    nonces: NonceBook,
    forms: NameForms,
    controlPlane: () => string,
  ) {
    this.#typeUrl = typeUrl;
    this.#variant = variant;
    this.#source = source;
    this.#seen = seen;
    this.#nonces = nonces;
    this.#forms = forms;
    this.#controlPlane = controlPlane;
  }

  /** @param sentRevision store revision that the client was level with before */
  write(parts: MessageParts, sentRevision: number): Message {
    const { isWhole = false, entries, kept = [], refused = [], removed = [], errors = [], changed = entries } = parts;
    const { store, shelf, upstreamVersion } = this.#source;
    const toRevision = store.revision;
    const nonce = this.#nonces.next(toRevision);
    const versionInfo =
      this.#variant === 'sotw'
        ? this.#seen.versionInfo([...kept, ...refused])
        : upstreamVersion || `r${toRevision.toString(36)}`;
    if (this.#variant === 'delta') this.#forms.sent(entries);
    const bytes = shelf.encode({
      variant: this.#variant,
      header: { typeUrl: this.#typeUrl, versionInfo, nonce, controlPlane: this.#controlPlane() },
      isWhole,
      entries: kept.length + refused.length > 0 ? [...entries, ...kept, ...refused] : entries,
      removed,
      errors,
      forms: this.#forms.isEmpty ? undefined : this.#forms,
    });
    this.#forms.removed(removed);
    const names = changed.map(entry => entry.name);
    this.#nonces.sent(nonce, {
      fromRevision: parts.fromRevision ?? sentRevision,
      toRevision,
      versionInfo,
      // A rejection of what is repeated is none of the rest.
      names: refused.length > 0 ? [...names, ...refused.map(entry => entry.name)] : names,
      removed,
      isProvisional: kept.length > 0,
      epoch: store.epoch,
    });
    return {
      bytes,
      // The client warms a cluster only by endpoints that come after it (R29).
      warms: this.#typeUrl === clusterType ? endpointNamesOf(changed) : [],
      endpoints: this.#typeUrl === endpointType ? [...names, ...removed] : [],
      resent: (isWhole ? store.size : 0) + entries.length - countNew(isWhole ? changed : entries),
      fromRevision: sentRevision,
    };
  }
}

/** How many of these nobody was sent yet; they are sent now. */
function countNew(entries: readonly Entry[]): number {
  let count = 0;
  for (const entry of entries) {
    if (entry.toldRevision >= entry.revision) continue;
    entry.toldRevision = entry.revision;
    count++;
  }
  return count;
}
