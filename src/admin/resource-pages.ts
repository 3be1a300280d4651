import type { HeldResource } from './reports.ts';
import type { AdminControl, AdminSource, HeldQuery } from './source.ts';

/** Longest part of a name that is looked for, in characters: names are not longer. */
const containsMax = 2_048;

/** What a page of resources is asked for. */
export interface ResourceQuery {
  /** One for each type. */
  readonly parts: readonly HeldQuery[];
  readonly hasBodies: boolean;
  /** Resources at most. */
  readonly limit: number;
}

/**
 * Reads the query of `/resources`: `type` (URL or short name), and maybe `view`, `namespace`, `name` (may be repeated), `contains` (part of a name),
 * `limit`, `clients`, `bodies`. With `name` or `contains` the type may be left out: all are looked through.
 *
 * @param types what is held, to be named where the type is none of it
 */
export function resourceQuery(
  query: URLSearchParams,
  types: readonly HeldType[],
): ResourceQuery | { readonly error: string } {
  const names = query.getAll('name');
  const contains = query.get('contains') ?? undefined;
  if (contains !== undefined && contains.length > containsMax) {
    return { error: `contains has more than ${containsMax} characters` };
  }
  const limit = query.get('limit');
  if (limit !== null && !/^[1-9]\d{0,8}$/.test(limit)) return { error: `limit is no number above 0: '${limit}'` };
  const isOverAll = !query.has('type') && (names.length > 0 || contains !== undefined);
  const typeUrl = isOverAll ? undefined : typeIn(query, types);
  if (typeof typeUrl === 'object') return typeUrl;
  const typeUrls = typeUrl === undefined ? new Set(types.map(type => type.typeUrl)) : [typeUrl];
  const hasBodies = isSet(query, 'bodies');
  const common = {
    viewKey: query.get('view') ?? undefined,
    namespace: query.get('namespace') ?? undefined,
    contains,
    names: names.length > 0 ? names : undefined,
    hasClients: isSet(query, 'clients'),
    hasBodies,
  };
  const parts = [...typeUrls].map(one => ({ typeUrl: one, ...common }));
  return { parts, hasBodies, limit: limit === null ? Infinity : Number(limit) };
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

/** Resources as JSON, one a line. */
export function renderHeld(source: AdminSource, query: ResourceQuery): Generator<string> {
  return lines(heldUpTo(source, query), shown);
}

function* heldUpTo(source: AdminSource, { parts, limit }: ResourceQuery): Generator<HeldResource> {
  let count = 0;
  for (const part of parts) {
    for (const resource of source.held(part)) {
      yield resource;
      count += 1;
      if (count >= limit) return;
    }
  }
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
