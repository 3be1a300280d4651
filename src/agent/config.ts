import { nearest } from '../xds/nearest.ts';
import { checkAccess } from './access-check.ts';
import { environmentOf, fileKeyOf, flagOf, type SettingSpec, type Settings, settingSpecs } from './settings.ts';
import { checkUpstream } from './upstream-check.ts';

/** Where settings come from: flag beats environment beats file beats default. */
export interface ConfigSources {
  /** Values by flag, such as `--node-id`; a repeated flag has its values joined by commas. */
  readonly flags: ReadonlyMap<string, string>;
  readonly environment: ReadonlyMap<string, string>;
  readonly file: ConfigFile | undefined;
}

/** A parsed YAML file. */
export interface ConfigFile {
  readonly name: string;
  /** Plain data. Numbers outside the metadata stand as they were written, since `0600` and `007` mean something else as numbers. */
  readonly content: unknown;
  /** Line of a dotted key, counted from 1; undefined when it is not known. */
  readonly lineOf: (key: string) => number | undefined;
}

/** Settings, or everything that is wrong, at once. */
export type Resolution = { readonly settings: Settings } | { readonly problems: readonly string[] };

interface Found {
  readonly text: string;
  /** The source as a user knows it: a flag, a variable, a key of a file. */
  readonly from: string;
}

/** Environment variables that start alike but are not settings. */
const otherVariables: ReadonlySet<string> = new Set(['WEIR_CONFIG', 'WEIR_ENVOY', 'WEIR_REQUIRE_ENVOY', 'WEIR_SCRIPT']);
const prefix = 'WEIR_';
/**
 * Variables that Kubernetes sets in every pod for each Service of the namespace: a Service `weir` gives WEIR_SERVICE_HOST and WEIR_PORT, a
 * Service `weir-webhook` gives WEIR_WEBHOOK_PORT_443_TCP (Kubernetes "Accessing Services from a Pod", environment variables).
 */
const serviceLink = /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/** Resolves all settings from all sources. Every problem names its source and what is allowed; none hides another. */
export function resolveSettings(sources: ConfigSources): Resolution {
  const problems: string[] = [];
  const fileValues = readFile(sources.file, problems);
  checkEnvironment(sources.environment, problems);
  const settings: Partial<Record<keyof Settings, unknown>> = {};
  const given = new Set<keyof Settings>();
  for (const spec of settingSpecs) {
    const found = find(spec, sources, fileValues);
    if (!found) {
      settings[spec.key] = undefined;
      continue;
    }
    given.add(spec.key);
    const parsed = spec.parse(found.text);
    if ('error' in parsed)
      problems.push(`${found.from} ${withoutUser(parsed.error)}${echo(spec, found.text, parsed.error)}`);
    else settings[spec.key] = parsed.value;
  }
  const resolved = settings as unknown as Settings; // Every key of the table was set, by its own parser.
  problems.push(...checkTogether(resolved, given));
  return problems.length > 0 ? { problems } : { settings: resolved };
}

function find(spec: SettingSpec, sources: ConfigSources, file: ReadonlyMap<string, string>): Found | undefined {
  const flag = flagOf(spec.key);
  const fromFlag = spec.isEnvironmentOnly ? undefined : sources.flags.get(flag);
  if (fromFlag !== undefined) return { text: fromFlag, from: flag };
  const variable = environmentOf(spec.key);
  const fromEnvironment = sources.environment.get(variable);
  // Manifests often leave a variable empty to mean that it is not set.
  if (fromEnvironment) return { text: fromEnvironment, from: variable };
  const key = fileKeyOf(spec.key);
  const fromFile = file.get(key);
  if (fromFile !== undefined && sources.file) return { text: fromFile, from: placeOf(sources.file, key) };
  return spec.fallback === undefined ? undefined : { text: spec.fallback, from: `default of ${flag}` };
}

/** What only shows when settings are seen together. A setting whose own value is wrong is given all the same. */
function checkTogether(settings: Settings, given: ReadonlySet<keyof Settings>): string[] {
  const problems: string[] = [];
  if (!given.has('upstream')) {
    problems.push('no control plane is given: set --upstream host:port or unix:/path (WEIR_UPSTREAM, upstream:)');
  }
  if (!given.has('nodeId')) {
    for (const key of ['nodeCluster', 'nodeRegion', 'nodeZone', 'nodeSubZone', 'nodeMetadata'] as const) {
      if (given.has(key))
        problems.push(`${flagOf(key)} needs ${flagOf('nodeId')}: without an id the first client’s Node is used`);
    }
  }
  problems.push(...checkAccess(settings, given), ...checkUpstream(settings, given));
  if (settings.secrets === 'encrypted' && !given.has('secretsKeyFile') && !given.has('secretsKey')) {
    problems.push(
      `${flagOf('secrets')} encrypted needs ${flagOf('secretsKeyFile')}, or the variable ${environmentOf('secretsKey')}`,
    );
  }
  if (given.has('secretsKeyFile') && given.has('secretsKey')) {
    problems.push(`${flagOf('secretsKeyFile')} and ${environmentOf('secretsKey')} both give the key; set one of them`);
  }
  if (settings.secrets === 'plain' && settings.allowPlainSecrets === false) {
    problems.push(
      `${flagOf('secrets')} plain writes private keys to the disk as they are; if you mean it, add ${flagOf('allowPlainSecrets')} yes`,
    );
  }
  return problems;
}

function checkEnvironment(environment: ReadonlyMap<string, string>, problems: string[]): void {
  const known = settingSpecs.map(spec => environmentOf(spec.key));
  for (const name of environment.keys()) {
    if (!name.startsWith(prefix) || known.includes(name) || otherVariables.has(name) || serviceLink.test(name))
      continue;
    problems.push(`${name} is no setting${suggestion(nearest(name, known))}`);
  }
}

/** Flattens the file to dotted keys, and names every key that is none. */
function readFile(file: ConfigSources['file'], problems: string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  if (!file || file.content === null || file.content === undefined) return values;
  if (!isRecord(file.content)) {
    problems.push(`${file.name}: is no mapping of settings`);
    return values;
  }
  const hidden = settingSpecs.filter(spec => spec.isEnvironmentOnly);
  const known = settingSpecs.filter(spec => !spec.isEnvironmentOnly).map(spec => fileKeyOf(spec.key));
  walk(file, file.content, '');
  return values;

  function walk(from: ConfigFile, record: Readonly<Record<string, unknown>>, path: string): void {
    for (const [name, value] of Object.entries(record)) {
      const key = path + name;
      const isGroup = known.some(one => one.startsWith(`${key}.`));
      if (known.includes(key)) {
        const text = textOf(value);
        if (text === undefined) problems.push(`${placeOf(from, key)} has no usable value`);
        else values.set(key, text);
      } else if (isGroup && isRecord(value)) walk(from, value, `${key}.`);
      else if (isGroup)
        problems.push(
          `${placeOf(from, key)} has no settings below it, such as ${key}.${known.find(one => one.startsWith(`${key}.`))?.slice(key.length + 1)}`,
        );
      else {
        const variable = hidden.find(spec => fileKeyOf(spec.key) === key);
        const hint = variable
          ? `; it is taken from the variable ${environmentOf(variable.key)} only`
          : suggestion(nearest(key, known));
        problems.push(`${placeOf(from, key)} is no setting${hint}`);
      }
    }
  }
}

/** `weir.yaml:3: node.id`, as an editor finds it. */
function placeOf(file: ConfigFile, key: string): string {
  const line = file.lineOf(key);
  return `${file.name}:${line === undefined ? '' : `${line}:`} ${key}`;
}

/** A YAML value as it would stand in a flag. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) {
    const parts = value.map(textOf);
    return parts.every(part => part !== undefined) ? parts.join(',') : undefined;
  }
  return isRecord(value) ? JSON.stringify(value) : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Settings that may hold a password or a token somewhere. */
const unquoted: ReadonlySet<keyof Settings> = new Set(['nodeMetadata', 'seed', 'upstreamHeaders', 'listeners']);

/** The value, unless the error quotes it already or it must not be seen. */
function echo(spec: SettingSpec, text: string, error: string): string {
  if (spec.isEnvironmentOnly || unquoted.has(spec.key) || text.length > 100 || error.includes(text)) return '';
  return ` (given: '${withoutUser(text)}')`;
}

/** A text without what stands before the host of a URL in it: a name, and perhaps a password. */
function withoutUser(text: string): string {
  return text.replace(/\/\/[^/\s]*@/g, '//…@');
}

function suggestion(name: string | undefined): string {
  return name === undefined ? '' : `; did you mean ${name}?`;
}
