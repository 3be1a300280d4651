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
    'Made from the settings table by `npm run docs`; do not edit. Each setting has a flag, an environment variable and a key in the YAML file',
    '(`--config FILE` or `WEIR_CONFIG`), here in this order. A flag beats the variable, which beats the file, which beats the default. Unknown',
    'flags, `WEIR_…` variables and keys are an error that names the nearest right one; `weir validate` takes what `weir run` takes and lists all',
    'problems at once. Settings are read at the start; certificates, keys and tokens, in the files that they name, are read anew while Weir runs.',
    '',
    '- `ADDR` is `host:port`, `[v6]:port` or `unix:/path`. Where several are allowed, repeat the flag, write commas, or a YAML list.',
    '- `TIME` is `500ms`, `10s`, `1m`, `1h`, or a number of milliseconds. `SIZE` is `64kB`, `16MiB`, `1GB`, or a number of bytes. `N` is a whole number.',
    '- `FILE` and `DIR` are paths as Weir sees them, in its own container.',
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
  const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;
  for (const group of new Set(settingSpecs.map(spec => spec.group))) {
    const columns = ['setting', 'takes', 'default', 'what it does', 'change it when'];
    lines.push(`## ${group}`, '', `| ${columns.join(' | ')} |`, `|${'---|'.repeat(columns.length)}`);
    for (const spec of settingSpecs.filter(one => one.group === group)) {
      const names = spec.isEnvironmentOnly
        ? [environmentOf(spec.key)]
        : [flagOf(spec.key), environmentOf(spec.key), fileKeyOf(spec.key)];
      const takes = `${code(spec.placeholder)}${spec.isList ? ', …' : ''}`;
      const fallback = spec.fallback ? code(spec.fallback) : '–';
      const texts = [spec.help, spec.when].map(text => text.replaceAll('|', '\\|'));
      lines.push(`| ${[names.map(code).join('<br>'), takes, fallback, ...texts].join(' | ')} |`);
    }
    lines.push('');
  }
  return lines.join('\n');
}

/** Adds the options by which a command finds the agent, and the form of its output. */
export function addPlace(command: Command, formats = 'text or json'): Command {
  return command
    .option('--admin <ADDR>', 'the agent’s admin address or socket [127.0.0.1:15920] (WEIR_ADMIN)')
    .option('--cache-dir <DIR>', 'its cache directory, where its admin socket is (WEIR_CACHE_DIR)')
    .option('-o, --output <FORMAT>', formats, 'text');
}

/** The property under which commander keeps a flag. */
function optionName(flag: string): string {
  return flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
