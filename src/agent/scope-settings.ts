import { istioKinds } from '../istio/kinds.ts';
import { formatAddress, parseAddress } from '../xds/address.ts';
import { nearest } from '../xds/nearest.ts';
import { shortNames } from '../xds/type-urls.ts';
import { IdPattern, NamePattern } from './name-pattern.ts';
import { ownNamespace, rootNamespace, type ScopeRule } from './scopes.ts';
import { listOf, SettingReader } from './setting-reader.ts';
import type { SettingRow } from './setting-values.ts';

/** Everything that can be set about isolation by namespace. */
export interface ScopesSettings {
  /** Undefined for what holds without rules. */
  readonly scopes: readonly ScopeRule[] | undefined;
  readonly rootNamespace: string;
}

type Rows = { readonly [K in keyof ScopesSettings]: SettingRow<ScopesSettings[K]> };

/** The rows of the settings table about isolation by namespace. */
export const scopeRows: Rows = {
  scopes: {
    placeholder: 'JSON',
    help: 'Who may see which of Istio’s mesh configuration: {"listeners", "clientNamespaces", "clientNames", "types", "namespaces"}, … Easier in the file.',
    when: 'Clients should see other namespaces than their own and the root namespace. What no scope grants is denied then.',
    fallback: '',
    parse: scopes,
  },
  rootNamespace: {
    placeholder: 'NAME',
    help: 'Istio’s root namespace: its mesh configuration is everybody’s, and its clients see everything unless scopes are set.',
    when: 'Istio’s mesh configuration names another one.',
    fallback: 'istio-system',
    parse: text => (isName(text) ? { value: text } : { error: 'is no name of a namespace' }),
  },
};

const rulesMax = 1_000;
const listMax = 10_000;
/** Each name that comes is compared with all of them. */
const patternsMax = 100;
const knownTypes = ['MeshConfig', ...istioKinds.map(({ kind }) => kind), ...shortNames];

/** A DNS label, as Kubernetes has its namespaces. */
function isName(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text);
}

function isPattern(text: string): boolean {
  return text.split('*').length === 2 && /^[-a-z0-9*]{1,64}$/.test(text);
}

function scopes(text: string): { readonly value: readonly ScopeRule[] | undefined } | { readonly error: string } {
  if (text === '') return { value: undefined };
  const list = listOf(text);
  if (!list || list.length === 0 || list.length > rulesMax) {
    return { error: `is no list of 1 to ${rulesMax} objects such as {"namespaces": ["$own", "$root"]}` };
  }
  const problems: string[] = [];
  const value: ScopeRule[] = [];
  for (const [index, one] of list.entries()) {
    const rule = readRule(new SettingReader(`scope ${index + 1}`, problems), one);
    if (rule) value.push(rule);
  }
  return problems.length > 0 ? { error: problems.join('; ') } : { value };
}

function readRule(reader: SettingReader, value: unknown): ScopeRule | undefined {
  const keys = ['listeners', 'clientNamespaces', 'clientNames', 'types', 'namespaces'] as const;
  const record = reader.record(value, keys);
  if (!record) return undefined;
  const [listeners, clientNamespaces, clientNames, types, namespaces] = keys.map(key =>
    reader.texts(record, key, listMax),
  );
  for (const one of [...(clientNamespaces ?? [])]) {
    if (!isName(one) && !isPattern(one))
      reader.complain(`clientNamespaces: '${one}' is no namespace or pattern with one star`);
  }
  for (const one of namespaces ?? []) {
    if (one === ownNamespace || one === rootNamespace || isName(one) || isPattern(one)) continue;
    reader.complain(`namespaces: '${one}' is no namespace, pattern with one star, ${ownNamespace} or ${rootNamespace}`);
  }
  for (const one of types ?? []) checkType(reader, one);
  const stars = namespaces?.filter(one => one.includes('*')).length ?? 0;
  if (stars > patternsMax) reader.complain(`namespaces: ${stars} patterns, ${patternsMax} are allowed`);
  return {
    listeners: listeners && new Set(listeners.map(one => addressIn(reader, one))),
    clientNamespaces: clientNamespaces?.map(one => new IdPattern(one)),
    clientNames: clientNames?.flatMap(one => patternIn(reader, one)),
    types,
    namespaces: namespaces ?? [ownNamespace, rootNamespace],
  };
}

/** A word has to be one that is known; a type that nobody knows yet can be given by its URL. */
function checkType(reader: SettingReader, text: string): void {
  if (text.includes('/') || text.includes('*') || knownTypes.includes(text)) return;
  const near = nearest(text, knownTypes);
  reader.complain(
    `types: '${text}' is no type URL, kind or short name${near === undefined ? '' : `; did you mean ${near}?`}`,
  );
}

/** An address in the form by which listeners are called. */
function addressIn(reader: SettingReader, text: string): string {
  const address = parseAddress(text);
  if (!('error' in address)) return formatAddress(address);
  reader.complain(`listeners: ${address.error}`);
  return text;
}

function patternIn(reader: SettingReader, text: string): NamePattern[] {
  const pattern = NamePattern.parse(text);
  if (!('error' in pattern)) return [pattern];
  reader.complain(`clientNames: ${pattern.error}`);
  return [];
}
