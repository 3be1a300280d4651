import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import type { Catalog, Field, ValueType } from '../../src/proto/catalog.ts';
import { LineProcess } from './line-process.ts';
import { buildGoTypes, goSources } from './peers.ts';

/** The program with Istio's and Envoy's own types, or why it is not there. */
export const goTypes = buildGoTypes();

/** A field as Go's descriptor has it. */
export interface GoField {
  readonly name: string;
  readonly jsonName: string;
  readonly number: number;
  readonly form: string;
  readonly key: string;
  readonly type: string;
  readonly oneof: string;
  /** Envoy redacts it. */
  readonly sensitive: boolean;
}

/** Descriptions by full names. */
export interface GoDescription {
  readonly messages: Readonly<Record<string, readonly GoField[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** What Go makes of one message: both of its forms, or why it is none. */
export interface GoMessage {
  /** As protojson writes it. */
  readonly json?: unknown;
  readonly bytes?: Buffer;
  readonly error?: string;
}

/** A message for Go to read: JSON as istiod reads it, or bytes. */
export type Given = { readonly message: string; readonly protoNames?: boolean } & (
  | { readonly json: unknown }
  | { readonly bytes: Buffer }
);

/** Istio's and Envoy's own types in a process of its own. The test's end kills it. */
export class GoTypes {
  readonly #process: LineProcess;

  constructor(context: TestContext) {
    if ('missing' in goTypes) throw new Error(goTypes.missing);
    this.#process = new LineProcess(context, 'types', [goTypes.program]);
  }

  /** Describes messages and all that they reach; of those in the closed packages only that they are there. */
  async describe(messages: readonly string[], closed: readonly string[] = []): Promise<GoDescription> {
    return (await this.#ask({ describe: messages, closed })) as GoDescription; // Written by `answer` in main.go.
  }

  /** Has Go read messages, in their order. */
  async read(all: readonly Given[]): Promise<readonly GoMessage[]> {
    const read = all.map(given => ('bytes' in given ? { ...given, bytes: given.bytes.toString('base64') } : given));
    const { read: answers = [] } = (await this.#ask({ read })) as {
      readonly read?: readonly { readonly json?: unknown; readonly bytes: string | null; readonly error?: string }[];
    };
    return answers.map(({ bytes, ...rest }) => ({
      ...rest,
      ...(!rest.error && { bytes: Buffer.from(bytes ?? '', 'base64') }),
    }));
  }

  async #ask(command: unknown): Promise<unknown> {
    const from = this.#process.lines.length;
    this.#process.send(command);
    return await this.#process.line('an answer', line => line ?? undefined, from);
  }
}

/** Folder of the Go module istio.io/api that the program is built with. */
export function istioApiFolder(): string {
  const list = spawnSync('go', ['list', '-m', '-f', '{{.Dir}}', 'istio.io/api'], {
    cwd: goSources('go-types'),
    encoding: 'utf8',
  });
  if (list.status !== 0) throw new Error(`go list failed: ${list.stderr}`);
  return list.stdout.trim();
}

/**
 * Compares all messages, fields and enum values of our tables with those that Go reaches from these messages; none may be missing, and there may
 * be no others, but for those of protobuf itself.
 *
 * @param ours where ours differ: `closed`, packages of which they have the names alone; `redacted`, fields that we redact though Envoy does not
 */
export async function sameTypes(
  context: TestContext,
  catalog: Catalog,
  roots: readonly string[],
  { closed = [], redacted = [] }: { readonly closed?: readonly string[]; readonly redacted?: readonly string[] } = {},
): Promise<void> {
  const { messages, enums } = await new GoTypes(context).describe(roots, closed);
  const own = (names: Iterable<string>): string[] =>
    [...names].filter(name => !name.startsWith('google.protobuf.')).sort();
  assert.deepEqual(own(catalog.names), own(Object.keys(messages)));
  const ourEnums = new Map<string, Record<string, number>>();
  for (const [name, fields] of Object.entries(messages)) {
    const message = catalog.get(name);
    const theirs = fields.map(field => ({
      ...field,
      sensitive: field.sensitive || redacted.includes(`${name}.${field.name}`),
    }));
    assert.deepEqual(message.fields.map(described), theirs, name);
    for (const { type } of message.fields) {
      if (type.kind === 'enum') ourEnums.set(type.of.name, Object.fromEntries(type.of.numbers));
    }
  }
  assert.deepEqual(Object.fromEntries(ourEnums), enums);
  const values = Object.values(enums).reduce((sum, one) => sum + Object.keys(one).length, 0);
  const fields = Object.values(messages).reduce((sum, one) => sum + one.length, 0);
  context.diagnostic(
    `${Object.keys(messages).length} messages, ${fields} fields, ${ourEnums.size} enums, ${values} values`,
  );
}

/** A field of ours in the form in which Go describes its own. */
function described({ name, jsonName, number, form, type, oneof, isSensitive }: Field): GoField {
  const shape = typeof form === 'object' ? { form: 'map', key: form.key } : { form, key: '' };
  return { name, jsonName, number, ...shape, type: nameOf(type), oneof: oneof ?? '', sensitive: isSensitive };
}

const nameOf = (type: ValueType): string =>
  type.kind === 'scalar' ? type.scalar : type.kind === 'enum' ? type.of.name : type.name;
