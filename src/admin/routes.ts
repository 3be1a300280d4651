import type { Readable } from 'node:stream';
import { renderConfigDump } from './config-dump.ts';
import { eventQuery, renderEvents, spanMs } from './event-pages.ts';
import { renderMetrics } from './metrics.ts';
import type { AgentReport } from './reports.ts';
import { isSet, renderCached, renderHeld, resourceQuery } from './resource-pages.ts';
import type { AdminControl, AdminSource, HealthVerdict } from './source.ts';
import { type StatusReport, verdictOf } from './verdict.ts';

/** Health of the process, asked anew at each request. */
export interface HealthSource {
  live(): HealthVerdict;
  started(): HealthVerdict;
  ready(isStrict: boolean): HealthVerdict;
}

/** A request for an admin page. */
export interface PageRequest {
  readonly method: string;
  /** Path with query, as in the request line; anything at all, since a client wrote it. */
  readonly url: string;
  /** The Accept header; empty without one. */
  readonly accept: string;
  /** The Last-Event-ID header of an event stream that is opened anew. */
  readonly lastEventId?: string | undefined;
  /** Only health and metrics may be seen here. */
  readonly isHealthOnly: boolean;
  /** It came by a Unix socket that only the agent's own user may open: it may change things and see contents. */
  readonly isPrivileged: boolean;
}

/** The answer to it; the body is taken piece by piece and may be left untaken, which ends it where it would go on. */
export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Iterable<string | Uint8Array> | Readable;
}

const ndjson = 'application/x-ndjson';

/** Pages that change something or show contents, with their method: on the admin socket only. */
const actions: ReadonlyMap<string, readonly [method: string, what: string]> = new Map([
  ['/guard/pass', ['POST', 'lets pass what the guard holds back (?type=CDS)']],
  ['/drift/check', ['POST', 'begins to compare what is held with a fresh fetch of everything']],
  ['/drain', ['POST', 'has the clients go and the agent end, as SIGTERM does']],
  ['/log_level', ['POST', 'changes how much is logged (?level=debug&for=10m)']],
  ['/cache/export', ['GET', 'the disk cache as a seed bundle']],
  ['/cache/purge', ['POST', 'drops from the disk what is not in use']],
  ['/record', ['GET', 'what is said upstream, as it is said (?resumed: without opening the streams anew)']],
]);

const pages: ReadonlyMap<string, string> = new Map([
  ['/', 'this list; to a browser the dashboard (?pages: the list)'],
  ['/healthz/live', 'the process answers'],
  ['/healthz/started', 'it listens'],
  ['/healthz/ready', 'it is of use; ?strict: and has a live upstream (health pages: ?format=json or Accept)'],
  ['/metrics', 'Prometheus metrics'],
  ['/status', 'types, clients and upstream as JSON'],
  ['/clients', 'client streams as JSON'],
  [
    '/resources',
    'what is held of ?type= (or ?contains=, ?name= over all), a JSON object a line: &view= &namespace= &limit= &clients; &bodies on the admin socket',
  ],
  ['/events', 'what happens, server-sent; as JSON lines with ?history: &since=5m &after= &type= &name= &kind= &view='],
  ['/explain', 'all that is known of the resource ?name=, and why it is missing: &type='],
  ['/trend', 'the last hour as JSON: propagation, ages, connection, memory'],
  ['/drift', 'what the last drift check found, as JSON'],
  ['/log_level', 'how much is logged, as JSON'],
  ['/cache', 'what is on disk, as JSON, without contents'],
  ['/cache/resources', 'what is on disk of ?type=, a JSON object a line, without contents: &view='],
  ['/config_dump', 'what is served, in the shape of Envoy’s dump, without bodies'],
]);

/** Answers one admin request. */
export function answer(request: PageRequest, source: AdminSource, health: HealthSource, control: AdminControl): Page {
  // Not as a base: `//host/path` would then be a URL of another host, and `//` none at all.
  const target = URL.parse(request.url.startsWith('/') ? `http://admin${request.url}` : request.url);
  if (!target) return text(400, 'the request target is no URL\n');
  const { pathname, searchParams } = target;
  const action = request.isHealthOnly ? undefined : actions.get(pathname);
  if (action && (action[0] === request.method || !pages.has(pathname)))
    return act(request, pathname, action[0], searchParams, control);
  const isAllowed = !request.isHealthOnly || pathname.startsWith('/healthz/') || pathname === '/metrics';
  if (!pages.has(pathname) || !isAllowed) return text(404, `no such page\n${listOf(request.isHealthOnly)}`);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { ...text(405, 'only GET and HEAD\n'), headers: { allow: 'GET, HEAD' } };
  }
  const isJson = searchParams.get('format') === 'json' || request.accept.includes('application/json');
  switch (pathname) {
    case '/healthz/live':
      return healthPage(health.live(), isJson);
    case '/healthz/started':
      return healthPage(health.started(), isJson);
    case '/healthz/ready':
      return healthPage(health.ready(isSet(searchParams, 'strict')), isJson);
    case '/metrics':
      return {
        status: 200,
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        body: [renderMetrics(source.metrics())],
      };
    case '/status':
      return json(statusOf(source.report(), health.ready(false)));
    case '/clients':
      return json(source.report().clients);
    case '/cache': {
      const views = control.listCache();
      return json({ views: views ?? [], isThere: views !== undefined });
    }
    case '/events':
      return eventPage(request, searchParams, source, control);
    case '/drift':
      return json(source.drift());
    case '/explain':
      return explainPage(searchParams, source);
    case '/log_level':
      return json(control.logLevel());
    case '/trend':
      return json({ points: source.trend() });
    case '/resources':
      return resourcePage(request, searchParams, source);
    case '/cache/resources': {
      const body = renderCached(control, searchParams);
      return 'error' in body ? text(400, `${body.error}\n`) : { status: 200, contentType: ndjson, body };
    }
    case '/config_dump':
      return { status: 200, contentType: 'application/json', body: renderConfigDump(source) };
    default:
      return text(200, listOf(request.isHealthOnly));
  }
}

/** The verdict comes first, for whoever reads no further. */
function statusOf(report: AgentReport, ready: HealthVerdict): StatusReport {
  return { verdict: verdictOf(report, ready), ready, ...report };
}

function eventPage(
  { lastEventId }: PageRequest,
  search: URLSearchParams,
  source: AdminSource,
  control: AdminControl,
): Page {
  const query = eventQuery(search, lastEventId, source.report());
  if ('error' in query) return text(400, `${query.error}\n`);
  if (isSet(search, 'history')) return { status: 200, contentType: ndjson, body: renderEvents(source, query) };
  const body = control.followEvents(query);
  if (!body) return text(429, 'as many event streams as there may be are open: end one\n');
  return { status: 200, contentType: 'text/event-stream', body };
}

function explainPage(search: URLSearchParams, source: AdminSource): Page {
  const name = search.get('name') ?? '';
  if (name === '') return text(400, 'say which resource: ?name=\n');
  const type = search.get('type') ?? undefined;
  const typeUrl = source.report().types.find(one => one.shortName === type)?.typeUrl ?? type;
  return json(source.explain({ name, typeUrl }));
}

function resourcePage({ isPrivileged }: PageRequest, search: URLSearchParams, source: AdminSource): Page {
  const query = resourceQuery(search, source.report().types);
  if ('error' in query) return text(400, `${query.error}\n`);
  if (query.hasBodies && !isPrivileged) return refusal();
  return { status: 200, contentType: ndjson, body: renderHeld(source, query) };
}

function refusal(): Page {
  return text(403, 'only on the admin socket in the cache directory\n');
}

function act(request: PageRequest, path: string, method: string, query: URLSearchParams, control: AdminControl): Page {
  if (request.method !== method) return { ...text(405, `only ${method}\n`), headers: { allow: method } };
  if (!request.isPrivileged) return refusal();
  switch (path) {
    case '/guard/pass':
      return json({ released: control.passGuard(query.get('type') ?? undefined) });
    case '/drift/check':
      control.checkDrift();
      return json({ isRunning: true });
    case '/drain':
      control.drain();
      return json({ isDraining: true });
    case '/cache/purge':
      return json({ dropped: control.purgeCache() });
    case '/log_level':
      return setLogLevel(query, control);
    case '/record': {
      const body = control.record(!isSet(query, 'resumed'));
      if (!body) return text(429, 'as many recordings as there may be are under way: end one\n');
      return { status: 200, contentType: ndjson, body };
    }
    default: {
      const bundle = control.exportCache();
      if (!bundle) return text(404, 'nothing is on disk\n');
      return { status: 200, contentType: 'application/octet-stream', body: [bundle] };
    }
  }
}

function setLogLevel(query: URLSearchParams, control: AdminControl): Page {
  const span = query.get('for');
  const forMs = span === null ? undefined : spanMs(span);
  if (span !== null && forMs === undefined) return text(400, `for is no time span like 90s, 10m, 2h: '${span}'\n`);
  const report = control.setLogLevel(query.get('level') ?? '', forMs);
  return 'error' in report ? text(400, `${report.error}\n`) : json(report);
}

function healthPage(verdict: HealthVerdict, isJson: boolean): Page {
  const status = verdict.isOk ? 200 : 503;
  if (isJson) return { ...json(verdict), status };
  return text(status, `${verdict.isOk ? 'ok' : 'not ok'}: ${verdict.reason}\n`);
}

function listOf(isHealthOnly: boolean): string {
  const shown = [...pages].filter(([path]) => !isHealthOnly || path.startsWith('/healthz/') || path === '/metrics');
  const acts = isHealthOnly
    ? []
    : [...actions].map(([path, [method, what]]) => [path, `${what}; ${method}, on the admin socket`] as const);
  return `weir admin\n${[...shown, ...acts].map(([path, what]) => `${path.padEnd(18)} ${what}\n`).join('')}`;
}

function text(status: number, body: string): Page {
  return { status, contentType: 'text/plain; charset=utf-8', body: [body] };
}

function json(value: unknown): Page {
  return { status: 200, contentType: 'application/json', body: [`${JSON.stringify(value, undefined, 2)}\n`] };
}
