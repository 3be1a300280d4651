import { shortNames } from '../xds/type-urls.ts';

/** What there is to complete of one command. */
export interface CommandWords {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly about: string;
  readonly options: readonly OptionWords[];
  /** One of its arguments is a type. */
  readonly takesType: boolean;
  readonly commands: readonly CommandWords[];
}

interface OptionWords {
  /** With their dashes. */
  readonly flags: readonly string[];
  readonly about: string;
  readonly hasValue: boolean;
}

/** Shells that there are scripts for. */
export const shells = ['bash', 'zsh', 'fish'] as const;

/** What may follow on a command path, such as `weir cache ls`. */
interface Place {
  readonly path: string;
  readonly words: readonly (readonly [word: string, about: string])[];
}

const formats = ['text', 'json'];
/** Options whose value is a file or a folder, by the end of their names. */
const fileFlag = /-(dir|file|key|cert|ca)$|^--(config|out|from|kubeconfig)$/;

/** A script that completes commands, flags and types; it runs nothing when it is used. @param root the program itself */
export function completionScript(shell: (typeof shells)[number], root: CommandWords): string {
  const places = [...placesOf(root, [''])];
  const valued = [...new Set(optionsOf(root).flatMap(one => (one.hasValue ? one.flags : [])))].sort();
  switch (shell) {
    case 'bash':
      return bashScript(root.name, places, valued);
    case 'zsh':
      return zshScript(root.name, places, valued);
    case 'fish':
      return fishScript(root, places);
    default:
      return shell satisfies never;
  }
}

function* placesOf(command: CommandWords, prefixes: readonly string[]): Generator<Place> {
  const paths = prefixes.flatMap(prefix => [command.name, ...command.aliases].map(name => `${prefix}${name}`));
  const words: [string, string][] = [];
  for (const one of command.commands) for (const name of [one.name, ...one.aliases]) words.push([name, one.about]);
  for (const { flags, about } of command.options) for (const flag of flags) words.push([flag, about]);
  if (command.takesType) for (const name of shortNames) words.push([name, 'type']);
  for (const path of paths) yield { path, words };
  for (const one of command.commands)
    yield* placesOf(
      one,
      paths.map(path => `${path} `),
    );
}

function optionsOf(command: CommandWords): OptionWords[] {
  return [...command.options, ...command.commands.flatMap(optionsOf)];
}

/** Shell code that both bash and zsh run: `path` becomes the command path before the word that is completed. */
function pathCode(
  places: readonly Place[],
  valued: readonly string[],
  words: string,
  from: number,
  to: string,
): string {
  return [
    `  local path="\${${words}[${from}]##*/}" word i`,
    `  for ((i = ${from + 1}; i < ${to}; i++)); do`,
    `    word="\${${words}[i]}"`,
    '    case "$word" in',
    `      ${valued.join('|')}) ((i++)) ;;`,
    '      -*) ;;',
    '      *)',
    '        case "$path $word" in',
    `          ${places.map(({ path }) => `'${path}'`).join('|')}) path="$path $word" ;;`,
    '        esac ;;',
    '    esac',
    '  done',
  ].join('\n');
}

function bashScript(name: string, places: readonly Place[], valued: readonly string[]): string {
  const files = valued.filter(flag => fileFlag.test(flag));
  return `# bash completion of ${name}; made by: ${name} completion bash
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
${pathCode(places, valued, 'COMP_WORDS', 0, 'COMP_CWORD')}
  local words=''
  case "$previous" in
    -o|--output) words='${formats.join(' ')}' ;;
    --type) words='${shortNames.join(' ')}' ;;
    ${files.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${valued.join('|')}) return ;;
    *)
      case "$path" in
${places.map(({ path, words }) => `        '${path}') words='${words.map(([word]) => word).join(' ')}' ;;`).join('\n')}
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _${name} ${name}
`;
}

function zshScript(name: string, places: readonly Place[], valued: readonly string[]): string {
  const files = valued.filter(flag => fileFlag.test(flag));
  const lines = ({ path, words }: Place): string => {
    const all = words.map(([word, about]) => `'${zshText(word)}:${zshText(about)}'`);
    return `    '${path}') words=(${all.join(' ')}) ;;`;
  };
  return `#compdef ${name}
# zsh completion of ${name}; made by: ${name} completion zsh
_${name}() {
${pathCode(places, valued, 'words', 1, 'CURRENT').replace('local path=', 'local -a found; local path=').replaceAll('path', 'place')}
  case "\${words[CURRENT-1]}" in
    -o|--output) compadd ${formats.join(' ')}; return ;;
    --type) compadd ${shortNames.join(' ')}; return ;;
    ${files.join('|')}) _files; return ;;
    ${valued.join('|')}) return ;;
  esac
  case "$place" in
${places.map(lines).join('\n').replaceAll(') words=(', ') found=(')}
  esac
  _describe '${name}' found
}
if [ "$funcstack[1]" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

/** Inside single quotes, where \`_describe\` takes a colon for the end of the word. */
function zshText(text: string): string {
  return text.replaceAll("'", '’').replaceAll('\\', '\\\\').replaceAll(':', '\\:');
}

function fishScript(root: CommandWords, places: readonly Place[]): string {
  const lines = [`# fish completion of ${root.name}; made by: ${root.name} completion fish`];
  // The command path is what stands before without options; options with a value are told apart by their position only, which is near enough.
  lines.push(`function __${root.name}_at
  set -l words (commandline -opc)
  set -l path ${root.name}
  for word in $words[2..-1]
    if contains -- "$path $word" ${places.map(({ path }) => `'${path}'`).join(' ')}
      set path "$path $word"
    end
  end
  test "$path" = "$argv[1]"
end
complete -c ${root.name} -f`);
  const visit = (command: CommandWords, prefixes: readonly string[]): void => {
    const paths = prefixes.flatMap(prefix => [command.name, ...command.aliases].map(name => `${prefix}${name}`));
    for (const path of paths) {
      const at = `complete -c ${root.name} -n "__${root.name}_at '${path}'"`;
      for (const one of command.commands) {
        for (const name of [one.name, ...one.aliases]) lines.push(`${at} -a ${name} -d '${fishText(one.about)}'`);
      }
      for (const option of command.options) lines.push(`${at} ${fishOption(option)} -d '${fishText(option.about)}'`);
      if (command.takesType) lines.push(`${at} -a '${shortNames.join(' ')}'`);
    }
    for (const one of command.commands)
      visit(
        one,
        paths.map(path => `${path} `),
      );
  };
  visit(root, ['']);
  return `${lines.join('\n')}\n`;
}

function fishOption({ flags, hasValue }: OptionWords): string {
  const names = flags.map(flag => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const isFile = flags.some(flag => fileFlag.test(flag));
  const values = flags.includes('--output') ? ` -xa '${formats.join(' ')}'` : isFile ? ' -rF' : ' -x';
  return `${names.join(' ')}${hasValue ? values : ''}`;
}

function fishText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
