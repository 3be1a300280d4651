/** Reads plain data and gathers what is wrong with it. */
export class SettingReader {
  readonly #where: string;
  readonly #problems: string[];

  /** @param problems takes what is wrong, as sentences that begin with `where` */
  constructor(where: string, problems: string[]) {
    this.#where = where;
    this.#problems = problems;
  }

  complain(what: string): void {
    this.#problems.push(`${this.#where}: ${what}`);
  }

  /** A mapping with no other keys than these; undefined when it is none. */
  record(value: unknown, keys: readonly string[]): Readonly<Record<string, unknown>> | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.complain(`is no mapping with ${keys.join(', ')}`);
      return undefined;
    }
    for (const key of Object.keys(value)) {
      if (!keys.includes(key)) this.complain(`${key} is none of ${keys.join(', ')}`);
    }
    return { ...value };
  }

  /** A text that is not empty; undefined when it is none. */
  text(record: Readonly<Record<string, unknown>>, key: string): string | undefined {
    const value = record[key];
    if (typeof value === 'string' && value !== '') return value;
    this.complain(`${key} is missing or no text`);
    return undefined;
  }

  /** A list of texts, none of them empty; undefined when the key is not there, or is none. @param max longest list */
  texts(record: Readonly<Record<string, unknown>>, key: string, max: number): readonly string[] | undefined {
    const value = record[key];
    if (value === undefined) return undefined;
    const isList = Array.isArray(value) && value.length > 0 && value.length <= max;
    if (isList && value.every(one => typeof one === 'string' && one !== '')) return value;
    this.complain(`${key} is no list of 1 to ${max} texts`);
    return undefined;
  }
}

/** Plain data of a setting that is a list of JSON objects, with commas between them or as a JSON list; undefined when it is none. */
export function listOf(text: string): readonly unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text.startsWith('[') ? text : `[${text}]`);
    return Array.isArray(parsed) ? parsed : [parsed];
  } catch {
    return undefined;
  }
}
