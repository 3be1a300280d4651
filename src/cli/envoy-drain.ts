import { askAgent } from '../admin/requests.ts';
import { AgentError } from '../agent/errors.ts';
import { type Address, formatAddress } from '../xds/address.ts';

/** What became of the wish that an Envoy drains. */
export type EnvoyDrain =
  | { readonly kind: 'draining' }
  /** Nobody answers there: it has ended, or has not begun. */
  | { readonly kind: 'away'; readonly reason: string }
  /** It answers, and not as Envoy's admin interface does. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Longest silence of an Envoy that was asked, in ms: it is in the same pod, and a hook must come to its end. */
const silenceMs = 5_000;
const textMax = 200;

/**
 * Has an Envoy tell its connections to go (`Connection: close`, GOAWAY) within its `--drain-time-s`, by its admin address. Its listeners stay open, so that
 * nobody is refused who still comes.
 *
 * @param isAll also outbound listeners, and those that say no direction
 */
export async function drainEnvoy(address: Address, isAll: boolean): Promise<EnvoyDrain> {
  // Before 1.40 `skip_exit` was taken with `graceful` only; without it the listeners would be closed at the end of the drain time.
  const path = `/drain_listeners?graceful&skip_exit${isAll ? '' : '&inboundonly'}`;
  try {
    const answer = await askAgent(address, { method: 'POST', path, silenceMs });
    let text = '';
    for await (const piece of answer.setEncoding('utf8') as AsyncIterable<string>) {
      // More than this is said nowhere.
      if (text.length < textMax) text += piece;
    }
    if (answer.statusCode === 200) return { kind: 'draining' };
    return { kind: 'refused', reason: `${path} answered ${answer.statusCode}: ${text.slice(0, textMax).trim()}` };
  } catch (error) {
    return { kind: 'away', reason: `${formatAddress(address)}: ${AgentError.from(error).describe()}` };
  }
}
