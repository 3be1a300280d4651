/** An instruction of a Dockerfile on one line, comments left out. */
export interface Instruction {
  /** In capitals, such as `COPY`. */
  readonly name: string;
  readonly rest: string;
}

/** A stage: its `FROM` and what follows. What stands before the first one is a stage without `FROM`. */
export type Stage = readonly Instruction[];

/** Takes a Dockerfile apart, as far as no here-documents are in it. */
export function readDockerfile(text: string): Stage[] {
  const lines = text
    .split('\n')
    .filter(line => !line.trimStart().startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter(line => line.trim() !== '');
  const stages: Instruction[][] = [[]];
  for (const line of lines) {
    const [name = ''] = line.split(' ', 1);
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, rest: line.slice(name.length).trim() });
  }
  return stages;
}

/** What stands behind each instruction of a name. */
export function all(stage: Stage | undefined, name: string): string[] {
  return (stage ?? []).filter(instruction => instruction.name === name).map(({ rest }) => rest);
}
