import type { Entry } from '../cache/entry.ts';
import type { ClientType } from '../local-ads/client-type.ts';
import { isTakenInSilence } from '../xds/type-urls.ts';

/**
 * What a client has said of a content, as far as it was sent it. `sent`: it has it, and clients of this type never answer; `pending`: the newest
 * content is on its way, or its answer is.
 */
export type ClientWord = 'acked' | 'nacked' | 'sent' | 'pending' | 'not sent';

/** The word of a client on a content that it is subscribed to. */
export function wordOn(type: ClientType, { name, revision }: Entry): ClientWord {
  if (type.refused.has(name)) return 'nacked';
  if (!type.nonces.hasSent && type.nonces.ackedVersion === '') return 'not sent';
  if (revision > type.level) return 'pending';
  if (!type.nonces.isAwaitedAt(revision)) return 'acked';
  return isTakenInSilence(type.typeUrl) ? 'sent' : 'pending';
}
