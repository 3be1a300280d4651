/**
 * When a token ends by its own words: the `exp` claim of a JWT, read and not verified, which is the server's part (RFC 7519 section 4.1.4).
 *
 * @returns wall time in ms; undefined for a token that does not say
 */
export function tokenExpiryMs(token: string): number | undefined {
  const [, payload, , rest] = token.split('.');
  if (payload === undefined || rest !== undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null || !('exp' in claims)) return undefined;
    const { exp } = claims;
    return typeof exp === 'number' && Number.isFinite(exp) && exp > 0 ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** A token as its file holds it, or what is wrong with that. Its bytes are in no message. */
export function readToken(contents: string): { readonly token: string } | { readonly error: string } {
  const token = contents.trim();
  if (token === '') return { error: 'is empty' };
  // Anything else would be refused by the HTTP/2 layer with the token in its words.
  if (!/^[\x21-\x7e]+$/.test(token)) return { error: 'holds no token: there are spaces or other characters in it' };
  return { token };
}

/** What is to be told of a credential that ends. */
export type ExpiryStage = 'good' | 'ending' | 'ended';

/** The part of its life in which a credential that nobody has renewed is worth a warning, and the longest such time in ms. */
const endingPart = 0.2;
const endingMsMax = 7 * 86_400_000;

/** How a credential stands. @param sinceMs when its life began, as far as known; all in wall ms */
export function expiryStage(notAfterMs: number, sinceMs: number, nowMs: number): ExpiryStage {
  if (nowMs >= notAfterMs) return 'ended';
  const warnMs = Math.min(endingMsMax, endingPart * Math.max(0, notAfterMs - sinceMs));
  return notAfterMs - nowMs <= warnMs ? 'ending' : 'good';
}
