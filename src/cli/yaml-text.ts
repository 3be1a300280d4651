/** A value as YAML, with a line end. No line is broken, and nothing is referred to by an alias: it is for people and for kubectl. */
export async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
