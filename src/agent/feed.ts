import type { Session } from '../upstream/session.ts';
import type { AuthorityGroup } from '../xds/type-urls.ts';
import { AckLedger, type AckMode } from './ack-ledger.ts';
import type { Lane } from './lane.ts';
import { Origin } from './origin.ts';

/** What a type gets from the control plane of one authority, or of all names that have none that is listed. */
export interface Feed {
  /** Undefined for the main one. */
  readonly group: AuthorityGroup | undefined;
  /** The servers that carry it; others once a server ended its stream over this type. */
  lane: Lane;
  /** The stream that its content comes on. */
  readonly session: Session;
  readonly ledger: AckLedger;
  readonly origin: Origin;
}

/** A feed of what is served: its stream is that of the server in use. */
export function createFeed(group: AuthorityGroup | undefined, lane: Lane, ack: AckMode): Feed {
  return {
    group,
    lane,
    get session() {
      return this.lane.active;
    },
    ledger: new AckLedger(ack),
    origin: new Origin(),
  };
}
