import protobuf from 'protobufjs/minimal.js';
import type { FileDescription } from './descriptors.ts';
import { TagWalk, WireError } from './tag-walk.ts';
import { grpcCode } from './types.ts';

const { Writer } = protobuf;
type Out = protobuf.Writer;

/** `FieldDescriptorProto.Type` of the scalars in use. */
const scalars: Readonly<Record<string, number>> = { double: 1, int64: 3, int32: 5, bool: 8, string: 9, bytes: 12 };
const messageType = 11;
const enumType = 14;
const [optional, repeated] = [1, 3];

function text(out: Out, field: number, value: string): void {
  out.uint32((field << 3) | 2).string(value);
}

function number(out: Out, field: number, value: number): void {
  out.uint32(field << 3).int32(value);
}

function nested(out: Out, field: number, write: (inner: Out) => void): void {
  out.uint32((field << 3) | 2).fork();
  write(out);
  out.ldelim();
}

/** One level of messages: those named `Outer.X` belong into `Outer`. */
interface Level {
  readonly fields: Readonly<Record<string, readonly string[]>>;
  readonly enums: Readonly<Record<string, readonly string[]>>;
}

/** A `google.protobuf.FileDescriptorProto`. @param enums full names of all enums there are, to tell them from messages */
export function encodeFile(file: FileDescription, enums: ReadonlySet<string>): Buffer {
  const out = Writer.create();
  text(out, 1, file.name);
  text(out, 2, file.package);
  for (const one of file.imports) text(out, 3, one);
  const level = { fields: file.messages, enums: file.enums ?? {} };
  for (const name of childrenOf(level.fields, ''))
    nested(out, 4, inner => writeMessage(inner, file, level, name, enums));
  for (const name of childrenOf(level.enums, ''))
    nested(out, 5, inner => writeEnum(inner, name, level.enums[name] ?? []));
  for (const [name, methods] of Object.entries(file.services ?? {})) {
    nested(out, 6, inner => {
      text(inner, 1, name);
      for (const method of methods) nested(inner, 2, one => writeMethod(one, method));
    });
  }
  text(out, 12, 'proto3');
  return Buffer.from(out.finish());
}

/** Names directly inside of another one, `''` for the file. */
function childrenOf(all: Readonly<Record<string, unknown>>, outer: string): string[] {
  const prefix = outer === '' ? '' : `${outer}.`;
  return Object.keys(all).filter(name => name.startsWith(prefix) && !name.slice(prefix.length).includes('.'));
}

function writeMessage(out: Out, file: FileDescription, level: Level, name: string, enums: ReadonlySet<string>): void {
  text(out, 1, name.slice(name.lastIndexOf('.') + 1));
  const maps: [name: string, types: string][] = [];
  const oneofs: string[] = [];
  for (const field of level.fields[name] ?? []) {
    const [label = '', place = '', type = ''] = field.split(' ');
    const [bare = '', oneof] = type.split('|');
    if (oneof !== undefined && !oneofs.includes(oneof)) oneofs.push(oneof);
    nested(out, 2, inner => {
      text(inner, 1, label);
      number(inner, 3, Number(place));
      const isMap = bare.includes('>');
      number(inner, 4, isMap || bare.endsWith('*') ? repeated : optional);
      if (isMap) {
        const entry = entryName(label);
        maps.push([entry, bare]);
        number(inner, 5, messageType);
        text(inner, 6, `.${file.package}.${name}.${entry}`);
      } else writeType(inner, bare.replace('*', ''), enums);
      if (oneof !== undefined) number(inner, 9, oneofs.indexOf(oneof));
      text(inner, 10, jsonName(label));
    });
  }
  for (const child of childrenOf(level.fields, name))
    nested(out, 3, inner => writeMessage(inner, file, level, child, enums));
  for (const [entry, types] of maps) nested(out, 3, inner => writeEntry(inner, entry, types, enums));
  for (const child of childrenOf(level.enums, name))
    nested(out, 4, inner => writeEnum(inner, child, level.enums[child] ?? []));
  for (const oneof of oneofs) nested(out, 8, inner => text(inner, 1, oneof));
}

function writeType(out: Out, type: string, enums: ReadonlySet<string>): void {
  const scalar = scalars[type];
  number(out, 5, scalar ?? (enums.has(type) ? enumType : messageType));
  if (scalar === undefined) text(out, 6, `.${type}`);
}

/** The message that stands for an entry of a map. */
function writeEntry(out: Out, name: string, types: string, enums: ReadonlySet<string>): void {
  text(out, 1, name);
  for (const [index, type] of types.split('>').entries()) {
    nested(out, 2, inner => {
      text(inner, 1, index === 0 ? 'key' : 'value');
      number(inner, 3, index + 1);
      number(inner, 4, optional);
      writeType(inner, type, enums);
      text(inner, 10, index === 0 ? 'key' : 'value');
    });
  }
  nested(out, 7, inner => number(inner, 7, 1)); // options.map_entry
}

function writeEnum(out: Out, name: string, values: readonly string[]): void {
  text(out, 1, name.slice(name.lastIndexOf('.') + 1));
  for (const value of values) {
    const [label = '', place = ''] = value.split(' ');
    nested(out, 2, inner => {
      text(inner, 1, label);
      number(inner, 2, Number(place));
    });
  }
}

function writeMethod(out: Out, method: string): void {
  const [name = '', ...words] = method.split(' ');
  const types = words.filter(word => word !== 'stream');
  text(out, 1, name);
  text(out, 2, `.${types[0]}`);
  text(out, 3, `.${types[1]}`);
  if (words[0] === 'stream') number(out, 5, 1);
  if (words.at(-2) === 'stream') number(out, 6, 1);
}

const jsonName = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The name that protoc gives the entry of a map field. */
function entryName(field: string): string {
  const camel = jsonName(field);
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
}

/** Files by their own name and by the full names of what is in them. */
export interface DescriptorIndex {
  /** Full names of all services. */
  readonly services: readonly string[];
  /** The file of a symbol: a service, a method, a message or an enum. */
  symbol(name: string): Buffer | undefined;
  file(name: string): Buffer | undefined;
}

/** Encodes the files, and finds what is in them. */
export function indexFiles(files: readonly FileDescription[]): DescriptorIndex {
  const enums = new Set(files.flatMap(file => Object.keys(file.enums ?? {}).map(name => `${file.package}.${name}`)));
  const byFile = new Map<string, Buffer>();
  const bySymbol = new Map<string, Buffer>();
  const services: string[] = [];
  for (const file of files) {
    const bytes = encodeFile(file, enums);
    byFile.set(file.name, bytes);
    for (const name of [...Object.keys(file.messages), ...Object.keys(file.enums ?? {})]) {
      bySymbol.set(`${file.package}.${name}`, bytes);
    }
    for (const [name, methods] of Object.entries(file.services ?? {})) {
      const full = `${file.package}.${name}`;
      services.push(full);
      bySymbol.set(full, bytes);
      for (const method of methods) bySymbol.set(`${full}.${method.split(' ')[0]}`, bytes);
    }
  }
  return { services: services.sort(), symbol: name => bySymbol.get(name), file: name => byFile.get(name) };
}

/** Answers one `ServerReflectionRequest` from the files; undefined when the bytes are none. */
export function answerReflection(request: Buffer, files: DescriptorIndex): Buffer | undefined {
  const asked = readRequest(request);
  if (!asked) return undefined;
  const out = Writer.create();
  out.uint32((2 << 3) | 2).bytes(request);
  const { kind, name } = asked;
  if (kind === 'services') {
    out.uint32((6 << 3) | 2).fork();
    for (const service of files.services) {
      out.uint32((1 << 3) | 2).fork();
      out.uint32((1 << 3) | 2).string(service);
      out.ldelim();
    }
    out.ldelim();
    return Buffer.from(out.finish());
  }
  const file = kind === 'file' ? files.file(name) : kind === 'symbol' ? files.symbol(name) : undefined;
  if (file) {
    out.uint32((4 << 3) | 2).fork();
    out.uint32((1 << 3) | 2).bytes(file);
    out.ldelim();
  } else {
    const isKnown = kind !== 'other';
    out.uint32((7 << 3) | 2).fork();
    out.uint32(1 << 3).int32(isKnown ? grpcCode.notFound : grpcCode.unimplemented);
    out
      .uint32((2 << 3) | 2)
      .string(isKnown ? `there is no ${kind} '${name.slice(0, 200)}'` : 'extensions are not looked up here');
    out.ldelim();
  }
  return Buffer.from(out.finish());
}

interface Asked {
  readonly kind: 'file' | 'symbol' | 'services' | 'other';
  readonly name: string;
}

function readRequest(bytes: Buffer): Asked | undefined {
  try {
    const walk = new TagWalk(bytes);
    let asked: Asked = { kind: 'other', name: '' };
    while (walk.next()) {
      if (walk.wireType !== 2) continue;
      if (walk.field === 3) asked = { kind: 'file', name: walk.text() };
      else if (walk.field === 4) asked = { kind: 'symbol', name: walk.text() };
      else if (walk.field === 7) asked = { kind: 'services', name: '' };
    }
    return asked;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
