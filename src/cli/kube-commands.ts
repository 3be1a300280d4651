import type { Command } from 'commander';

const injectExamples = `
Examples:
  weir inject -f deployment.yaml --upstream cp:18000 | kubectl apply -f -
  weir inject -f deployment.yaml --dry-run               what would change, as a diff
  weir inject -f a.yaml -f b.yaml --in-place             rewrite the files, comments and all
  helm template shop | weir inject -f - --upstream cp:18000 --default cache=none

Settings of a pod are annotations weir.dev/NAME, which beat --default NAME=VALUE; weir.dev/inject: "false" leaves a pod
alone. All of them: docs/injection.md. Exit codes: 0 fine, 1 a pod cannot be injected as it asks, 2 wrong usage.
`;

type Done = (exitCode: number) => void;

/** Adds the commands that put Weir into pods. */
export function addKubeCommands(program: Command, done: Done): void {
  const inject = program
    .command('inject')
    .description(
      'put Weir into the pods of Kubernetes manifests: any workload, YAML or JSON; what is there already stays',
    );
  inject.option('-f, --file <FILE>', 'manifests, may be given several times; - is standard input', collect);
  addDefaults(inject)
    .option('--dry-run', 'write a diff, and nothing else')
    .option('--in-place', 'write the files anew')
    .option('--out <FILE>', 'write into this file; else standard output')
    .option('-o, --output <FORMAT>', 'text, or json with what became of each pod', 'text')
    .addHelpText('after', injectExamples)
    .action(async options => {
      done(await (await import('./commands/inject.ts')).injectFiles(options));
    });
}

/** Flags that say what holds where a pod says nothing. */
function addDefaults(command: Command): Command {
  return command
    .option('--upstream <ADDR>', 'control planes of pods that name none')
    .option('--image <IMAGE>', 'image of Weir')
    .option('--default <NAME=VALUE>', 'an annotation without its prefix, for pods that do not have it', collect)
    .option('--defaults <FILE>', 'the same as a YAML file of names and values');
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
