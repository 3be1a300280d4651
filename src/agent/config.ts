import { environmentOf, fileKeyOf, flagOf, type SettingSpec, type Settings, settingSpecs } from './settings.ts';

/** Where settings come from: flag beats environment beats file beats default. */
export interface ConfigSources {
  /** Values by flag, such as `--node-id`; a repeated flag has its values joined by commas. */
  readonly flags: ReadonlyMap<string, string>;
  readonly environment: ReadonlyMap<string, string>;
  /** Parsed YAML file; undefined without one. */
  readonly file: { readonly name: string; readonly content: unknown } | undefined;
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

/** Resolves all settings from all sources. Every problem names its source and what is allowed; none hides another. */
export function resolveSettings(sources: ConfigSources): Resolution {
  const problems: string[] = [];
  const fileValues = readFile(sources.file, problems);
  checkEnvironment(sources.environment, problems);
  const settings: Partial<Record<keyof Settings, unknown>> = {};
  for (const spec of settingSpecs) {
    const found = find(spec, sources, fileValues);
    if (!found) {
      settings[spec.key] = undefined;
      continue;
    }
    const parsed = spec.parse(found.text);
    if ('error' in parsed) problems.push(`${found.from} ${parsed.error}${echo(spec, found.text)}`);
    else settings[spec.key] = parsed.value;
  }
  const resolved = settings as unknown as Settings; // Every key of the table was set, by its own parser.
  problems.push(...checkTogether(resolved, problems.length === 0));
  return problems.length > 0 ? { problems } : { settings: resolved };
}

/** The known name nearest to a wrong one, if any is near enough to be meant. */
export function nearest(wrong: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wrong.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

function find(spec: SettingSpec, sources: ConfigSources, file: ReadonlyMap<string, string>): Found | undefined {
  const flag = flagOf(spec.key);
  const fromFlag = sources.flags.get(flag);
  if (fromFlag !== undefined) return { text: fromFlag, from: flag };
  const variable = environmentOf(spec.key);
  const fromEnvironment = sources.environment.get(variable);
  // Manifests often leave a variable empty to mean that it is not set.
  if (fromEnvironment) return { text: fromEnvironment, from: variable };
  const key = fileKeyOf(spec.key);
  const fromFile = file.get(key);
  if (fromFile !== undefined) return { text: fromFile, from: `${sources.file?.name ?? 'file'}: ${key}` };
  return spec.fallback === undefined ? undefined : { text: spec.fallback, from: `default of ${flag}` };
}

function checkTogether(settings: Settings, isComplete: boolean): string[] {
  const problems: string[] = [];
  if (settings.upstream === undefined && isComplete) {
    problems.push('no control plane is given: set --upstream host:port or unix:/path (WEIR_UPSTREAM, upstream:)');
  }
  if (settings.nodeId === undefined) {
    for (const key of ['nodeCluster', 'nodeRegion', 'nodeZone', 'nodeSubZone', 'nodeMetadata'] as const) {
      if (settings[key] !== undefined)
        problems.push(`${flagOf(key)} needs ${flagOf('nodeId')}: without an id the first client’s Node is used`);
    }
  }
  if (isComplete && settings.reconnectBaseMs > settings.reconnectMaxMs) {
    problems.push(`${flagOf('reconnectBaseMs')} must not be above ${flagOf('reconnectMaxMs')}`);
  }
  return problems;
}

function checkEnvironment(environment: ReadonlyMap<string, string>, problems: string[]): void {
  const known = settingSpecs.map(spec => environmentOf(spec.key));
  for (const name of environment.keys()) {
    if (name.startsWith(prefix) && !known.includes(name) && !otherVariables.has(name)) {
      problems.push(`${name} is no setting${suggestion(nearest(name, known))}`);
    }
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
  const known = settingSpecs.map(spec => fileKeyOf(spec.key));
  walk(file.content, '');
  return values;

  function walk(record: Readonly<Record<string, unknown>>, path: string): void {
    for (const [name, value] of Object.entries(record)) {
      const key = path + name;
      if (known.includes(key)) {
        const text = textOf(value);
        if (text === undefined) problems.push(`${file?.name}: ${key} has no usable value`);
        else values.set(key, text);
      } else if (isRecord(value) && known.some(one => one.startsWith(`${key}.`))) walk(value, `${key}.`);
      else problems.push(`${file?.name}: ${key} is no setting${suggestion(nearest(key, known))}`);
    }
  }
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

/** Metadata may hold anything, so its text is not repeated. */
function echo(spec: SettingSpec, text: string): string {
  if (spec.key === 'nodeMetadata' || text.length > 100) return '';
  return ` (given: '${text}')`;
}

function suggestion(name: string | undefined): string {
  return name === undefined ? '' : `; did you mean ${name}?`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substituted));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
