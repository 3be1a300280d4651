import { formatAddress, isLocalOnly } from '../xds/address.ts';
import { allowListOf, localListeners } from './core-settings.ts';
import { listenerName } from './listener-settings.ts';
import { ownNamespace } from './scopes.ts';
import { flagOf, type Settings } from './settings.ts';

/** What an operator should know before it surprises: settings of access that are right, but open more than they seem to. */
export function accessWarnings(settings: Settings): string[] {
  return [...nodeWarnings(settings), ...scopeWarnings(settings)];
}

/** Namespaces are taken from node ids, which are claims until rules bind them. */
function scopeWarnings(settings: Settings): string[] {
  const isByNode = settings.scopes?.some(
    ({ clientNamespaces, namespaces }) => clientNamespaces !== undefined || namespaces.includes(ownNamespace),
  );
  const open = localListeners(settings).filter(({ allow }) => allow.length === 0);
  if (!isByNode || open.length === 0) return [];
  return [
    `scopes go by the namespace in node ids, and on ${open.map(listenerName).join(', ')} a client may say any node id: ` +
      'give each listener allow rules (setting listeners), or use clientNames',
  ];
}

function nodeWarnings(settings: Settings): string[] {
  const listeners = localListeners(settings);
  const { nodeSharing } = settings;
  if (nodeSharing === 'shared') {
    const whom = settings.nodeShareBy ? 'nodes that are equal in nodeShareBy' : 'all nodes';
    return [`${whom} share one configuration, Secrets included (setting nodeSharing)`];
  }
  if (nodeSharing !== 'stream-per-node' || allowListOf(settings).bindsAll(listeners.map(listenerName))) return [];
  const open = listeners.filter(({ allow }) => allow.length === 0).map(listenerName);
  return [
    `on ${open.join(', ')} a client may say any node id and gets that node's configuration, Secrets included: ` +
      'give each listener allow rules (setting listeners)',
  ];
}

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
  problems.push(...checkScopes(settings, names));
  return problems;
}

/** Rules that no client could ever meet. */
function checkScopes(settings: Settings, listenerNames: ReadonlySet<string>): string[] {
  const provesClients = localListeners(settings).some(({ tls, tokenReview }) => tls?.ca !== undefined || tokenReview);
  return (settings.scopes ?? []).flatMap(({ listeners, clientNames }, index) => {
    const unknown = [...(listeners ?? [])].filter(name => !listenerNames.has(name));
    const problems = unknown.map(
      name =>
        `scope ${index + 1} is for ${name}, which is not listened on (setting scopes): ${[...listenerNames].join(', ')}`,
    );
    if (clientNames && !provesClients) {
      problems.push(
        `scope ${index + 1} asks for a name that no client can prove without tls.clientCa or tokenReview (setting scopes)`,
      );
    }
    return problems;
  });
}
