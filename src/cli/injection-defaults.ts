import { usageError } from '../agent/errors.ts';
import { objectOf } from '../kube/data.ts';
import { resolveInjection, type SettingsLayer } from '../kube/injection-settings.ts';
import { readText } from './whole-file.ts';

/** Largest file of defaults. */
const bytesMax = 1024 * 1024;

/** Flags by which `weir inject` and `weir webhook` are told what holds where a pod says nothing. */
export interface DefaultsOptions {
  /** YAML file of names and values. */
  readonly defaults?: string | undefined;
  /** `NAME=VALUE`, each. */
  readonly default?: readonly string[] | undefined;
  readonly image?: string | undefined;
  readonly upstream?: string | undefined;
}

/**
 * The layers of settings of a command line, the weakest first.
 *
 * @throws AgentError (usage) when the file cannot be read, or anything in them is no setting or has a wrong value
 */
export async function defaultLayers(options: DefaultsOptions): Promise<readonly SettingsLayer[]> {
  const layers = options.defaults === undefined ? [] : [await layerOfFile(options.defaults)];
  const values = new Map<string, string>();
  for (const text of options.default ?? []) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === '') throw usageError(`--default must be NAME=VALUE, such as image=weir:0.1.0 (given: '${text}')`);
    values.set(name, value);
  }
  if (values.size > 0) layers.push({ title: '--default ', values });
  const own = new Map<string, string>();
  if (options.image !== undefined) own.set('image', options.image);
  if (options.upstream !== undefined) own.set('upstream', options.upstream);
  if (own.size > 0) layers.push({ title: '--', values: own });
  const resolved = resolveInjection(layers);
  if ('problems' in resolved) throw usageError(resolved.problems.join('; '));
  return layers;
}

async function layerOfFile(path: string): Promise<SettingsLayer> {
  const text = readText(path, bytesMax);
  const { readYaml } = await import('../kube/yaml-read.ts');
  const read = readYaml(text);
  if ('problem' in read) throw usageError(`${path}, line ${read.problem.line}: ${read.problem.what}`);
  const content = read.documents[0]?.content ?? {};
  const object = objectOf(content);
  if (!object || read.documents.length > 1) throw usageError(`${path} must be one map of names and values`);
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(object)) {
    if (typeof value === 'object') throw usageError(`${path}: ${name} must be a text or a number`);
    values.set(name, String(value));
  }
  return { title: `${path}: `, values };
}
