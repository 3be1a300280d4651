import { at, listAt, textAt, textsAt } from './envoy-json.ts';
import { routeMatchText } from './envoy-listeners.ts';
import { cell, type EnvoyRow, type EnvoyTable, madeOf, type ShownResource, some } from './envoy-table.ts';

/** As `istioctl proxy-config routes` shows them: a row for each route of each virtual host. */
export const routeTable: EnvoyTable = {
  heading: ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE'],
  isReadableByName: false,
  rowsOf: routeRows,
};

/** Domains that are told; of the others the number. */
const domainsMax = 2;

function routeRows({ typeUrl, name, content }: ShownResource): readonly EnvoyRow[] {
  const row = (cells: readonly string[]): EnvoyRow => ({
    cells: [name, ...cells].map(cell),
    facets: { name: [name] },
    sortKey: name,
  });
  if (content === undefined) return [row(['', '', '', ''])];
  // On demand (VHDS) they come one by one.
  const hosts = typeUrl.endsWith('.VirtualHost') ? [content] : listAt(content, 'virtual_hosts');
  if (hosts.length === 0) return [row(['', '', '', ''])];
  return hosts.flatMap(host => {
    const start = [textAt(host, 'name'), domainsText(textsAt(host, 'domains'))];
    const routes = listAt(host, 'routes');
    if (routes.length === 0) return [row([...start, ...(at(host, 'matcher') ? ['by a matcher', ''] : ['/*', '404'])])];
    return routes.map(route => row([...start, routeMatchText(at(route, 'match')), madeOf(route)]));
  });
}

/** Domains without those that only add a port. */
function domainsText(domains: readonly string[]): string {
  const bare = domains.filter(domain => {
    const host = domain.replace(/:(?:\d+|\*)$/, '');
    return host === domain || !domains.includes(host);
  });
  return some(bare, domainsMax);
}
