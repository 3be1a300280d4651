import type { AdminControl, AdminSource, HeldQuery, HeldResource } from './source.ts';

/** What a page of resources is asked for. */
export type ResourceQuery = HeldQuery | { readonly error: string };

/**
 * Reads the query of `/resources`: `type` (URL or short name), and maybe `view`, `namespace`, `name` (may be repeated), `clients`, `bodies`.
 *
 * @param types what is held, to be named where the type is none of it
 */
export function resourceQuery(query: URLSearchParams, types: readonly HeldType[]): ResourceQuery {
  const typeUrl = typeIn(query, types);
  if (typeof typeUrl !== 'string') return typeUrl;
  const names = query.getAll('name');
  return {
    typeUrl,
    viewKey: query.get('view') ?? undefined,
    namespace: query.get('namespace') ?? undefined,
    names: names.length > 0 ? names : undefined,
    hasClients: isSet(query, 'clients'),
    hasBodies: isSet(query, 'bodies'),
  };
}

/** What is needed to find a type by what it is called. */
interface HeldType {
  readonly typeUrl: string;
  readonly shortName: string;
}

function typeIn(query: URLSearchParams, types: readonly HeldType[]): string | { readonly error: string } {
  const wanted = query.get('type');
  const found = types.find(({ typeUrl, shortName }) => wanted === typeUrl || wanted === shortName);
  if (found) return found.typeUrl;
  const there = [...new Set(types.map(type => type.shortName))].join(', ') || 'nothing';
  const problem = wanted === null ? 'say which type: ?type=' : `there is nothing of the type '${wanted}'`;
  return { error: `${problem}; there is: ${there}` };
}

/** Resources of a type as JSON, one a line. */
export function renderHeld(source: AdminSource, query: HeldQuery): Generator<string> {
  return lines(source.held(query), shown);
}

/** Bytes travel as base64. */
function shown({ body, ...rest }: HeldResource): object {
  if (!body) return rest;
  return { ...rest, body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64') };
}

/** Rows of a type in the disk cache as JSON, one a line; none without a disk. */
export function renderCached(
  control: AdminControl,
  query: URLSearchParams,
): Generator<string> | { readonly error: string } {
  const wanted = query.get('type') ?? '';
  // To list the types reads every row, so a URL is taken for what it is.
  const types = wanted.includes('/') ? [] : (control.listCache() ?? []).flatMap(view => view.types);
  const typeUrl = wanted.includes('/') ? wanted : typeIn(query, types);
  if (typeof typeUrl !== 'string') return typeUrl;
  return lines(control.listCached(typeUrl, query.get('view') ?? undefined) ?? [], row => row);
}

function* lines<T>(all: Iterable<T>, shownAs: (one: T) => object): Generator<string> {
  for (const one of all) yield `${JSON.stringify(shownAs(one))}\n`;
}

/** Whether a flag is in a query. */
export function isSet(query: URLSearchParams, name: string): boolean {
  return query.has(name) && query.get(name) !== 'false';
}
