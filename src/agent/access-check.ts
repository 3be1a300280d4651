import { formatAddress, isLocalOnly } from '../xds/address.ts';
import { localListeners } from './core-settings.ts';
import { listenerName } from './listener-settings.ts';
import { flagOf, type Settings } from './settings.ts';

/** What is wrong with the settings of access when they are seen together. A setting whose own value is wrong is passed over. */
export function checkAccess(settings: Settings, given: ReadonlySet<keyof Settings>): string[] {
  const problems: string[] = [];
  const { nodeSharing } = settings;
  if (nodeSharing === 'stream-per-node' && given.has('nodeId')) {
    problems.push(
      `${flagOf('nodeId')} gives all clients one identity, ${flagOf('nodeSharing')} stream-per-node each its own; set one of them`,
    );
  }
  if (given.has('nodeShareBy') && nodeSharing !== 'shared' && nodeSharing !== undefined) {
    problems.push(`${flagOf('nodeShareBy')} needs ${flagOf('nodeSharing')} shared`);
  }
  if (given.has('nodeShareBy') && given.has('nodeId')) {
    problems.push(
      `${flagOf('nodeId')} gives all clients one identity, which ${flagOf('nodeShareBy')} could not tell apart; set one of them`,
    );
  }
  for (const [one, other] of [
    ['listenTlsCert', 'listenTlsKey'],
    ['listenTlsKey', 'listenTlsCert'],
    ['listenTlsClientCa', 'listenTlsCert'],
  ] as const) {
    if (given.has(one) && !given.has(other)) problems.push(`${flagOf(one)} needs ${flagOf(other)}`);
  }
  if (settings.listen === undefined || settings.listeners === undefined) return problems;
  const names = new Set<string>();
  for (const listener of localListeners(settings)) {
    const { address, tls, tokenReview, allow } = listener;
    const name = listenerName(listener);
    if (names.has(name) && !(address.kind === 'tcp' && address.port === 0))
      problems.push(`${name} is listened on twice`);
    names.add(name);
    const provesClients = tls?.ca !== undefined || (tls !== undefined && tokenReview);
    // Configuration and keys would go to whoever asks, in the clear (R124).
    if (!isLocalOnly(address) && !provesClients) {
      problems.push(
        `${formatAddress(address)} can be reached from outside: it must be loopback or a socket, or have TLS and a CA for client certificates ` +
          `(${flagOf('listenTlsClientCa')}, or tls.clientCa under listeners)`,
      );
    }
    if (tokenReview && !tls && address.kind === 'tcp')
      problems.push(`${name}: tokens over plain TCP could be read by others; add tls`);
    if (allow.some(rule => rule.name !== undefined) && !tls?.ca && !tokenReview) {
      problems.push(
        `${name}: a rule of allow asks for a name that no client can prove without tls.clientCa or tokenReview`,
      );
    }
  }
  return problems;
}
