import { type Suspects, suspectsOf } from '../cache/quarantine.ts';
import { holdsPrivateKey, isSecretType } from '../cache/sensitivity.ts';
import type { TypeStore } from '../cache/store.ts';
import { forbidsCaching } from '../xds/resource-fields.ts';
import type { RpcStatus, TypeUrl } from '../xds/types.ts';
import type { AnsweredMessage, Verdict } from './nonce-book.ts';

/** What stands in place of words that may quote a key. */
export const withheldWords = '(text withheld: it may quote a secret)';

/** Bodies that were looked at, by what was found: a client may reject the same again and again. */
const looked = new WeakMap<Buffer, boolean>();

/** Words on a type as they may be kept and shown: text on secrets quotes them. */
export function sayableOf(typeUrl: TypeUrl, words: string): string {
  return isSecretType(typeUrl) || holdsPrivateKey(Buffer.from(words)) ? withheldWords : words;
}

const noSuspects: Suspects = { names: [], areNamed: false };

/** A client's word on a message: an ACK without status. */
export function verdictOn(store: TypeStore, sent: AnsweredMessage, status: RpcStatus | undefined): Verdict {
  const { fromRevision, toRevision, isProvisional, names, refusedBefore, epoch } = sent;
  return {
    typeUrl: store.typeUrl,
    fromRevision,
    toRevision,
    status: status && { code: status.code, message: sayableWords(store, names, status.message) },
    suspects: status ? suspectsOf(status.message, names, refusedBefore) : noSuspects,
    isProvisional,
    names,
    epoch,
  };
}

/**
 * A client's words on a message as they may be kept and shown. Envoy quotes whole resources (R52), so nothing is said of a message that holds a
 * key, wherever in it (R101, R104).
 *
 * @param names what the message held
 */
function sayableWords(store: TypeStore, names: readonly string[], words: string): string {
  const said = sayableOf(store.typeUrl, words);
  return said === withheldWords || names.some(name => isSensitive(store, name)) ? withheldWords : said;
}

function isSensitive(store: TypeStore, name: string): boolean {
  const entry = store.get(name) ?? store.quarantined.get(name)?.entry;
  if (!entry) return false;
  // What may not be kept may not be kept as a quotation either (R26).
  if (entry.extra && forbidsCaching(entry.extra)) return true;
  const found = looked.get(entry.any) ?? holdsPrivateKey(entry.any);
  looked.set(entry.any, found);
  return found;
}
