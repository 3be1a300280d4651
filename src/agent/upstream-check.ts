import { type Address, formatAddress, isLocalOnly } from '../xds/address.ts';
import { localListeners } from './core-settings.ts';
import { flagOf, type Settings } from './settings.ts';

/** What an operator should know about the way to the control plane before it surprises. */
export function upstreamWarnings({ upstream, authorities, upstreamTlsCa, upstreamTokenFile }: Settings): string[] {
  const all = [...upstream, ...[...authorities.values()].flat()];
  const open = all.filter(address => !isLocalOnly(address)).map(formatAddress);
  if (upstreamTlsCa !== undefined || upstreamTokenFile === undefined || open.length === 0) return [];
  return [`the token goes to ${open.join(', ')} in the clear, where others may read it (setting upstreamTlsCa)`];
}

/** What is wrong with the settings of the control plane when they are seen together. A setting whose own value is wrong is passed over. */
export function checkUpstream(settings: Settings, given: ReadonlySet<keyof Settings>): string[] {
  const problems: string[] = [];
  for (const [one, other] of [
    ['upstreamTlsCert', 'upstreamTlsKey'],
    ['upstreamTlsKey', 'upstreamTlsCert'],
    ['upstreamTlsCert', 'upstreamTlsCa'],
    ['upstreamTlsServerName', 'upstreamTlsCa'],
  ] as const) {
    if (given.has(one) && !given.has(other)) problems.push(`${flagOf(one)} needs ${flagOf(other)}`);
  }
  if (settings.upstreamTlsSan?.length > 0 && !given.has('upstreamTlsCa')) {
    problems.push(`${flagOf('upstreamTlsSan')} needs ${flagOf('upstreamTlsCa')}`);
  }
  // False when one of them could not be read: undefined compares to nothing.
  if (settings.reconnectBaseMs > settings.reconnectMaxMs) {
    problems.push(`${flagOf('reconnectBaseMs')} must not be above ${flagOf('reconnectMaxMs')}`);
  }
  if (settings.upstreamRecycleMs > 0 && settings.upstreamRecycleMs < recycleMsMin) {
    problems.push(`${flagOf('upstreamRecycleMs')} must be 0 or at least ${recycleMsMin} ms`);
  }
  return [...problems, ...ownAddresses(settings)];
}

/** An agent that dials itself would be its own control plane, and never hear of anything. */
function ownAddresses(settings: Settings): string[] {
  const { upstream, authorities, listen, listeners } = settings;
  if (upstream === undefined || authorities === undefined || listen === undefined || listeners === undefined) return [];
  const own = new Set(localListeners(settings).map(({ address }) => placeOf(address)));
  return [...upstream, ...[...authorities.values()].flat()]
    .filter(address => own.has(placeOf(address)))
    .map(address => `${formatAddress(address)} is where the agent itself listens: a control plane has another address`);
}

/** An address in one spelling, as far as it is of this machine. */
function placeOf(address: Address): string {
  return address.kind === 'tcp' && isLocalOnly(address) ? `localhost:${address.port}` : formatAddress(address);
}

/** Streams that are opened anew more often than that are no balance but a load. */
const recycleMsMin = 1_000;
