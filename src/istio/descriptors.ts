import { invariant } from '../xds/assert.ts';
import { destinationRule } from './schema/destination-rule.ts';
import { envoyFilter } from './schema/envoy-filter.ts';
import { extensions } from './schema/extensions.ts';
import { gateway } from './schema/gateway.ts';
import { mcp } from './schema/mcp.ts';
import { meshConfig } from './schema/mesh-config.ts';
import { meshProviders } from './schema/mesh-providers.ts';
import { meshProxy } from './schema/mesh-proxy.ts';
import { proxyConfig } from './schema/proxy-config.ts';
import type { SchemaFile } from './schema/schema-file.ts';
import { security } from './schema/security.ts';
import { selectors } from './schema/selectors.ts';
import { serviceEntry } from './schema/service-entry.ts';
import { sidecar } from './schema/sidecar.ts';
import { telemetry } from './schema/telemetry.ts';
import { virtualService } from './schema/virtual-service.ts';
import { wellKnown } from './schema/well-known.ts';
import { workloads } from './schema/workloads.ts';

const files: readonly SchemaFile[] = [
  wellKnown,
  mcp,
  selectors,
  virtualService,
  destinationRule,
  gateway,
  serviceEntry,
  sidecar,
  envoyFilter,
  workloads,
  proxyConfig,
  security,
  telemetry,
  extensions,
  meshConfig,
  meshProviders,
  meshProxy,
];

const scalars = ['double', 'int32', 'int64', 'uint32', 'uint64', 'bool', 'string', 'bytes'] as const;

/** The scalar types that Istio's messages use. */
export type Scalar = (typeof scalars)[number];

/** An enum. All are open: a number without a name is a value like any other. */
export interface EnumType {
  readonly name: string;
  readonly numbers: ReadonlyMap<string, number>;
  /** The first name of each number. */
  readonly names: ReadonlyMap<number, string>;
}

/** The type of a value. A message is named only, since messages hold themselves; {@link messageOf} finds it. */
export type ValueType =
  | { readonly kind: 'scalar'; readonly scalar: Scalar }
  | { readonly kind: 'enum'; readonly of: EnumType }
  | { readonly kind: 'message'; readonly name: string };

/** One field of a message. */
export interface Field {
  /** As in the `.proto` file, such as `export_to`. */
  readonly name: string;
  /** As in JSON, such as `exportTo`. */
  readonly jsonName: string;
  readonly number: number;
  /** Whether it is a list, a map with keys of this type, or a single value. */
  readonly form: 'one' | 'list' | { readonly key: Scalar };
  readonly type: ValueType;
  /** The oneof that it is a member of. Only members have presence when they hold the default. */
  readonly oneof: string | undefined;
}

/** A message. */
export interface MessageType {
  readonly name: string;
  /** In the order in which they are declared. */
  readonly fields: readonly Field[];
  /**
   * In the order in which they are written: by number, and members of oneofs after all others. That is how Go writes them (protobuf-go
   * internal/order), so equal content is equal bytes, whichever of the two wrote it.
   */
  readonly wireOrder: readonly Field[];
  /** By both names. */
  readonly byName: ReadonlyMap<string, Field>;
  readonly byNumber: ReadonlyMap<number, Field>;
}

interface Raw {
  readonly scope: string;
  readonly texts: readonly string[];
}

const rawMessages = new Map<string, Raw>();
const rawEnums = new Map<string, readonly string[]>();
for (const file of files) {
  for (const [name, texts] of Object.entries(file.messages)) {
    const scope = `${file.package}.${name}`;
    rawMessages.set(scope, { scope, texts });
  }
  for (const [name, texts] of Object.entries(file.enums ?? {})) rawEnums.set(`${file.package}.${name}`, texts);
}

/** Full names of all messages that there are. */
export const messageNames: readonly string[] = [...rawMessages.keys()];

const messages = new Map<string, MessageType>();
const enums = new Map<string, EnumType>();

/** The message of this full name, if it is known. Its text is read the first time it is asked for. */
export function findMessage(name: string): MessageType | undefined {
  const known = messages.get(name);
  if (known) return known;
  const raw = rawMessages.get(name);
  if (!raw) return undefined;
  const message = readMessage(name, raw);
  messages.set(name, message);
  return message;
}

/** The message of this full name. @throws InvariantError when there is none; for names out of the tables */
export function messageOf(name: string): MessageType {
  const message = findMessage(name);
  invariant(message, `${name} stands in the tables`);
  return message;
}

function readMessage(name: string, { scope, texts }: Raw): MessageType {
  const fields = texts.map(text => readField(scope, text));
  const oneofs = [undefined, ...new Set(fields.map(field => field.oneof).filter(oneof => oneof !== undefined))];
  const order = (a: Field, b: Field): number =>
    oneofs.indexOf(a.oneof) - oneofs.indexOf(b.oneof) || a.number - b.number;
  return {
    name,
    fields,
    wireOrder: fields.toSorted(order),
    byName: new Map(fields.flatMap(field => [[field.name, field] as const, [field.jsonName, field] as const])),
    byNumber: new Map(fields.map(field => [field.number, field])),
  };
}

function readField(scope: string, text: string): Field {
  const [name = '', number = '', typeText = ''] = text.split(' ');
  const [bare = '', oneof] = typeText.split('|');
  const isList = bare.endsWith('*');
  const [first = '', second] = (isList ? bare.slice(0, -1) : bare).split('>');
  let form: Field['form'] = isList ? 'list' : 'one';
  if (second !== undefined) {
    invariant(isScalar(first), `the key of the map ${scope}.${name} is a scalar`);
    form = { key: first };
  }
  const type = readType(scope, second ?? first);
  return { name, jsonName: jsonNameOf(name), number: Number(number), form, type, oneof };
}

const isScalar = (text: string): text is Scalar => (scalars as readonly string[]).includes(text);

function readType(scope: string, text: string): ValueType {
  if (isScalar(text)) return { kind: 'scalar', scalar: text };
  for (let around = scope; ; around = around.slice(0, Math.max(0, around.lastIndexOf('.')))) {
    const name = around === '' ? text : `${around}.${text}`;
    if (rawMessages.has(name)) return { kind: 'message', name };
    const values = rawEnums.get(name);
    if (values) return { kind: 'enum', of: enumOf(name, values) };
    invariant(around !== '', `the type ${text} in ${scope} stands in the tables`);
  }
}

function enumOf(name: string, texts: readonly string[]): EnumType {
  const known = enums.get(name);
  if (known) return known;
  const numbers = new Map(
    texts.map(text => text.split(' ')).map(([label = '', number = '']) => [label, Number(number)]),
  );
  const names = new Map([...numbers].reverse().map(([label, number]) => [number, label]));
  const made = { name, numbers, names };
  enums.set(name, made);
  return made;
}

/** As protoc makes it: no underscores, and what follows one in capitals. */
function jsonNameOf(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}
