import { oneLine } from './table.ts';

/**
 * A resource as protobuf quotes it, up to what is said of it: Envoy puts the whole of what it rejects before the reason. The marker keeps programs from
 * reading the quote.
 */
const quote = /goo\.gle\/debug\w*\s.*\s:\s(?=[^{}]*$)/s;

/** Why a client rejected something, in its own words on one line, without the resource that it quotes; `-o json` has all of them. */
export function reasonIn(words: string, charactersMax = 160): string {
  return oneLine(words.replace(quote, ''), charactersMax);
}
