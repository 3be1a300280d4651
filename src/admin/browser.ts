/** What tells a browser's request from another, and whose page is behind it. Undefined where a header was not sent. */
export interface BrowserHeaders {
  readonly host: string | undefined;
  /** `Sec-Fetch-Site`, `-Mode` and `-Dest`: browsers send them, and no script can change them. */
  readonly site: string | undefined;
  readonly mode: string | undefined;
  readonly destination: string | undefined;
}

const script = 'text/javascript; charset=utf-8';

/** The dashboard's files and their content types. Nothing else of the folder is served. */
export const dashboardFiles: ReadonlyMap<string, string> = new Map([
  ['index.html', 'text/html; charset=utf-8'],
  ['base.css', 'text/css; charset=utf-8'],
  ['parts.css', 'text/css; charset=utf-8'],
  ['icon.svg', 'image/svg+xml'],
  ...[
    'main.js',
    'charts.js',
    'clients.js',
    'connection.js',
    'dom.js',
    'event-log.js',
    'plot.js',
    'search.js',
    'timeline.js',
    'types.js',
    'upstream.js',
    'verdict-view.js',
    'words.js',
  ].map(name => [name, script] as const),
]);

/**
 * Why a request over TCP is refused, since a page of somebody else's is behind it; undefined for one that may go on.
 *
 * A name in Host that is none of this machine means DNS rebinding: a page from outside whose name now leads here. Addresses cannot be rebound.
 * Of another origin's page, only a link to one of ours is followed; it can read nothing of it.
 */
export function refusalOf({ host, site, mode, destination }: BrowserHeaders): string | undefined {
  if (host !== undefined && !isOwnName(host)) {
    return `the Host header names '${host.slice(0, 100)}', which is not this machine: use localhost or the address itself`;
  }
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined;
  if (mode === 'navigate' && destination === 'document') return undefined;
  return 'another page’s requests are not answered here';
}

function isOwnName(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  // What a URL takes for an address is one: no name consists of digits and dots, or stands in brackets.
  return /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]{2,45}\])$/.test(name);
}

/** Which file of the dashboard is asked for. Whoever does not ask for HTML gets the list of pages at `/`, and so does `/?pages`. */
export function dashboardFile(method: string, url: string, accept: string): string | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const [path = '', query = ''] = url.split('?', 2);
  if (path === '/') {
    const isBrowser = accept.includes('text/html');
    return isBrowser && !new URLSearchParams(query).has('pages') ? 'index.html' : undefined;
  }
  const name = path.startsWith('/dashboard/') ? path.slice('/dashboard/'.length) : '';
  return dashboardFiles.has(name) ? name : undefined;
}
