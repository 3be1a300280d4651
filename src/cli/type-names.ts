import { AgentError, exitCodes } from '../agent/errors.ts';
import { istioKinds, kindOfTypeUrl } from '../istio/kinds.ts';
import { nearest } from '../xds/nearest.ts';
import { envoyTypes } from '../xds/type-urls.ts';

/** A type that an agent holds. */
export interface NamedType {
  readonly typeUrl: string;
  /** `CDS` …, or the type URL where there is none. */
  readonly shortName: string;
}

/** What kubectl takes for these kinds, and `sc` besides, which it has not. */
const shortForms: ReadonlyMap<string, string> = new Map([
  ['AuthorizationPolicy', 'ap'],
  ['DestinationRule', 'dr'],
  ['Gateway', 'gw'],
  ['PeerAuthentication', 'pa'],
  ['RequestAuthentication', 'ra'],
  ['ServiceEntry', 'se'],
  ['Sidecar', 'sc'],
  ['Telemetry', 'telemetry'],
  ['VirtualService', 'vs'],
  ['WorkloadEntry', 'we'],
  ['WorkloadGroup', 'wg'],
]);

/** Group, version and kind of a type URL of Istio's configuration. */
const meshUrl = /^([^/]+)\/(v[^/]+)\/([^/]+)$/;

/** What a type is called where people read it: `CDS`, `VirtualService`; the whole URL where two of these types are of one kind. */
export function labelsOf(types: Iterable<NamedType>): ReadonlyMap<string, string> {
  const kinds = new Map([...types].map(({ typeUrl, shortName }) => [typeUrl, kindIn(typeUrl) ?? shortName]));
  const counts = new Map<string, number>();
  for (const kind of kinds.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return new Map([...kinds].map(([typeUrl, kind]) => [typeUrl, counts.get(kind) === 1 ? kind : typeUrl]));
}

/**
 * Finds what somebody means by the name of a type: its URL, short name, kind, plural or kubectl's short form, whatever the case.
 *
 * @returns the type URLs, which are several where one kind is asked for in several versions; or what there is instead
 */
export function findTypes(
  wanted: string,
  held: readonly NamedType[],
): { readonly typeUrls: readonly string[] } | { readonly error: string } {
  const word = wanted.toLowerCase();
  const found = held.filter(type => wordsOf(type).includes(word)).map(type => type.typeUrl);
  if (found.length > 0) return { typeUrls: [...new Set(found)] };
  const there = [...new Set(labelsOf(held).values())].sort().join(', ') || 'nothing';
  const known = istioKinds.find(kind => wordsOf({ typeUrl: kind.typeUrl, shortName: kind.typeUrl }).includes(word));
  if (known) return { error: `there is nothing of ${known.kind}; there is: ${there}` };
  const all = [...held, ...istioKinds.map(({ typeUrl }) => ({ typeUrl, shortName: typeUrl }))];
  const near = nearest(wanted, new Set(all.flatMap(type => wordsOf(type).filter(one => !one.includes('/')))));
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`;
  return { error: `there is no type '${wanted}'${hint}; there is: ${there}` };
}

/**
 * The type that somebody means, be it held or not.
 *
 * @throws AgentError when there is no such type, or the word stands for several
 */
export function typeUrlAsked(wanted: string, held: readonly NamedType[]): string {
  const mesh = istioKinds.map(({ typeUrl }) => ({ typeUrl, shortName: typeUrl }));
  for (const types of [held, envoyTypes, mesh]) {
    const found = findTypes(wanted, types);
    if (!('typeUrls' in found)) continue;
    const [typeUrl, ...others] = found.typeUrls;
    if (typeUrl !== undefined && others.length === 0) return typeUrl;
    const several = found.typeUrls.join(', ');
    throw new AgentError(`'${wanted}' is several types: say which of ${several}`, { exitCode: exitCodes.usage });
  }
  if (wanted.includes('/')) return wanted;
  const found = findTypes(wanted, [...held, ...envoyTypes]);
  throw new AgentError('error' in found ? found.error : `there is no type '${wanted}'`, { exitCode: exitCodes.usage });
}

function kindIn(typeUrl: string): string | undefined {
  return meshUrl.exec(typeUrl)?.[3];
}

/** Everything that a type may be called, in lower case. */
function wordsOf({ typeUrl, shortName }: NamedType): string[] {
  const [, group, version, kind] = meshUrl.exec(typeUrl) ?? [];
  const words = [typeUrl, shortName];
  if (kind === undefined) {
    const message = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
    words.push(message, pluralOf(message));
  } else {
    const plural = kindOfTypeUrl(typeUrl)?.plural ?? pluralOf(kind);
    // As kubectl takes them: name, name.group and name.version.group.
    for (const name of [kind, plural]) words.push(name, `${name}.${group}`, `${name}.${version}.${group}`);
    const short = shortForms.get(kind);
    if (short !== undefined) words.push(short);
  }
  return words.map(word => word.toLowerCase());
}

function pluralOf(kind: string): string {
  if (/[^aeiou]y$/i.test(kind)) return `${kind.slice(0, -1)}ies`;
  return /(s|x|ch|sh)$/i.test(kind) ? `${kind}es` : `${kind}s`;
}
