import type { Command } from 'commander';
import { resolveSettings } from '../agent/config.ts';
import { environmentOf, fileKeyOf, flagOf, type Settings, settingSpecs } from '../agent/settings.ts';
import { readConfigFile } from './config-file.ts';

/** Adds a flag for every setting, grouped as in the table, and `--config`. */
export function addSettingFlags(command: Command): void {
  command.option('--config <FILE>', 'YAML file with settings (WEIR_CONFIG)');
  for (const spec of settingSpecs) {
    if (spec.isEnvironmentOnly) continue;
    const fallback = spec.fallback ? ` [${spec.fallback}]` : '';
    const flags = `${flagOf(spec.key)} <${spec.placeholder}>`;
    command.optionsGroup(`${spec.group}:`);
    if (spec.isList) {
      const join = (value: string, before: string | undefined) => (before === undefined ? value : `${before},${value}`);
      command.option(flags, `${spec.help}${fallback}`, join);
    } else command.option(flags, `${spec.help}${fallback}`);
  }
  command.addHelpText(
    'after',
    '\nEvery flag has an environment variable (--node-id: WEIR_NODE_ID) and a key in the YAML file (node.id).\n' +
      'Flag beats environment beats file beats default. Reference: docs/configuration.md\n',
  );
}

/**
 * Resolves the settings of a parsed command line.
 *
 * @returns the settings, or everything that is wrong with them
 * @throws AgentError when the file cannot be read or is no YAML
 */
export async function readSettings(
  options: Readonly<Record<string, unknown>>,
): Promise<{ readonly settings: Settings } | { readonly problems: readonly string[] }> {
  const flags = new Map<string, string>();
  for (const { key } of settingSpecs) {
    const value = options[optionName(flagOf(key))];
    if (typeof value === 'string') flags.set(flagOf(key), value);
  }
  const environment = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment.set(name, value);
  const fileName = typeof options['config'] === 'string' ? options['config'] : environment.get('WEIR_CONFIG');
  const file = fileName ? await readConfigFile(fileName) : undefined;
  return resolveSettings({ flags, environment, file });
}

/** The reference page of all settings, made of the table. */
export function settingsReference(): string {
  const lines = [
    '# Configuration',
    '',
    'Made from the settings table by `npm run docs`; do not edit. A flag beats the environment variable, which beats the key in',
    'the YAML file (`--config FILE` or `WEIR_CONFIG`), which beats the default. Unknown flags, `WEIR_…` variables and keys are an error',
    'that names the nearest right one; `weir validate` takes what `weir run` takes and lists all problems at once.',
    '',
    '- `ADDR` is `host:port`, `[v6]:port` or `unix:/path`. Where several are allowed, repeat the flag, write commas, or a YAML list.',
    '- `TIME` is `500ms`, `10s`, `1m`, `1h`, or a number of milliseconds. `SIZE` is `64kB`, `16MiB`, `1GB`, or a number of bytes.',
    '- An empty environment variable counts as not set. Dotted keys are nested:',
    '',
    '```yaml',
    'upstream: control-plane.example:18000',
    'listen: [unix:/run/weir/xds.sock, 127.0.0.1:15910]',
    'node:',
    '  id: sidecar-1',
    '  locality:',
    '    zone: eu-1a',
    'ackWait: 500ms',
    '```',
    '',
  ];
  for (const group of new Set(settingSpecs.map(spec => spec.group))) {
    lines.push(`## ${group}`, '', '| flag | environment | file | default | what it does |', '|---|---|---|---|---|');
    for (const spec of settingSpecs.filter(one => one.group === group)) {
      const [flag, variable, key] = [flagOf(spec.key), environmentOf(spec.key), fileKeyOf(spec.key)].map(
        name => `\`${name}\``,
      );
      const names = spec.isEnvironmentOnly ? ['–', variable, '–'] : [flag, variable, key];
      const help = [spec.help, spec.when && `Change it when: ${spec.when}`]
        .filter(Boolean)
        .join(' ')
        .replaceAll('|', '\\|');
      lines.push(`| ${names.join(' | ')} | ${spec.fallback ? `\`${spec.fallback}\`` : '–'} | ${help} |`);
    }
    lines.push('');
  }
  return lines.join('\n');
}

/** The property under which commander keeps a flag. */
function optionName(flag: string): string {
  return flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
