import { invariant } from '../xds/assert.ts';
import type { SchemaFile } from './schema-file.ts';

const scalars = ['double', 'float', 'int32', 'int64', 'uint32', 'uint64', 'bool', 'string', 'bytes'] as const;

/** The scalar types that the messages in the tables use. */
export type Scalar = (typeof scalars)[number];

/** An enum. All are open: a number without a name is a value like any other. */
export interface EnumType {
  readonly name: string;
  readonly numbers: ReadonlyMap<string, number>;
  /** The first name of each number. */
  readonly names: ReadonlyMap<number, string>;
}

/** The type of a value. A message is read out of its table when it is first asked for, since messages hold themselves. */
export type ValueType =
  | { readonly kind: 'scalar'; readonly scalar: Scalar }
  | { readonly kind: 'enum'; readonly of: EnumType }
  | { readonly kind: 'message'; readonly name: string; readonly of: MessageType };

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
  /** It holds a key or a password, which nobody is shown. */
  readonly isSensitive: boolean;
}

/** A message. */
export interface MessageType {
  readonly name: string;
  /** Where it stands, and where a type that an `Any` names is looked for. */
  readonly catalog: Catalog;
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

/** All messages of some tables. Each is read out of its text the first time it is asked for. */
export interface Catalog {
  /** Full names of all messages. */
  readonly names: readonly string[];
  /** The message of this full name, if it is known. */
  find(name: string): MessageType | undefined;
  /** The same for names out of the tables. @throws InvariantError when there is none */
  get(name: string): MessageType;
}

/** Makes a catalog of tables, of which every type that stands in one must stand in one. */
export function makeCatalog(files: readonly SchemaFile[]): Catalog {
  return new Tables(files);
}

class Tables implements Catalog {
  readonly #rawMessages = new Map<string, readonly string[]>();
  readonly #rawEnums = new Map<string, readonly string[]>();
  readonly #messages = new Map<string, MessageType>();
  readonly #enums = new Map<string, EnumType>();

  constructor(files: readonly SchemaFile[]) {
    for (const file of files) {
      for (const [name, texts] of Object.entries(file.messages))
        this.#rawMessages.set(`${file.package}.${name}`, texts);
      for (const [name, texts] of Object.entries(file.enums ?? {}))
        this.#rawEnums.set(`${file.package}.${name}`, texts);
    }
  }

  get names(): readonly string[] {
    return [...this.#rawMessages.keys()];
  }

  find(name: string): MessageType | undefined {
    const known = this.#messages.get(name);
    if (known) return known;
    const texts = this.#rawMessages.get(name);
    if (!texts) return undefined;
    const message = this.#readMessage(name, texts);
    this.#messages.set(name, message);
    return message;
  }

  get(name: string): MessageType {
    const message = this.find(name);
    invariant(message, `${name} stands in the tables`);
    return message;
  }

  #readMessage(name: string, texts: readonly string[]): MessageType {
    const fields = texts.map(text => this.#readField(name, text));
    const oneofs = [undefined, ...new Set(fields.map(field => field.oneof).filter(oneof => oneof !== undefined))];
    const order = (a: Field, b: Field): number =>
      oneofs.indexOf(a.oneof) - oneofs.indexOf(b.oneof) || a.number - b.number;
    return {
      name,
      catalog: this,
      fields,
      wireOrder: fields.toSorted(order),
      byName: new Map(fields.flatMap(field => [[field.name, field] as const, [field.jsonName, field] as const])),
      byNumber: new Map(fields.map(field => [field.number, field])),
    };
  }

  #readField(scope: string, text: string): Field {
    const [name = '', number = '', typeText = '', word] = text.split(' ');
    const [bare = '', oneof] = typeText.split('|');
    const isList = bare.endsWith('*');
    const [first = '', second] = (isList ? bare.slice(0, -1) : bare).split('>');
    let form: Field['form'] = isList ? 'list' : 'one';
    if (second !== undefined) {
      invariant(isScalar(first), `the key of the map ${scope}.${name} is a scalar`);
      form = { key: first };
    }
    const type = this.#readType(scope, second ?? first);
    const isSensitive = word === 'sensitive';
    return { name, jsonName: jsonNameOf(name), number: Number(number), form, type, oneof, isSensitive };
  }

  #readType(scope: string, text: string): ValueType {
    if (isScalar(text)) return { kind: 'scalar', scalar: text };
    for (let around = scope; ; around = around.slice(0, Math.max(0, around.lastIndexOf('.')))) {
      const name = around === '' ? text : `${around}.${text}`;
      if (this.#rawMessages.has(name)) return new MessageReference(this, name);
      const values = this.#rawEnums.get(name);
      if (values) return { kind: 'enum', of: this.#enumOf(name, values) };
      invariant(around !== '', `the type ${text} in ${scope} stands in the tables`);
    }
  }

  #enumOf(name: string, texts: readonly string[]): EnumType {
    const known = this.#enums.get(name);
    if (known) return known;
    const numbers = new Map(
      texts.map(text => text.split(' ')).map(([label = '', number = '']) => [label, Number(number)]),
    );
    const names = new Map([...numbers].reverse().map(([label, number]) => [number, label]));
    const made = { name, numbers, names };
    this.#enums.set(name, made);
    return made;
  }
}

/** A message as the type of a field. */
class MessageReference {
  readonly kind = 'message';
  readonly name: string;
  readonly #catalog: Catalog;

  constructor(catalog: Catalog, name: string) {
    this.#catalog = catalog;
    this.name = name;
  }

  get of(): MessageType {
    return this.#catalog.get(this.name);
  }
}

const isScalar = (text: string): text is Scalar => (scalars as readonly string[]).includes(text);

/** As protoc makes it: no underscores, and what follows one in capitals. */
function jsonNameOf(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}
