import { findMessage, type MessageType, type ValueType } from './descriptors.ts';
import { scalarJson } from './json-scalars.ts';
import { formatDuration, formatTimestamp, type Seconds } from './json-times.ts';
import { type Content, isDefault, type ProtoMessage, type ProtoValue, valueAt } from './proto-message.ts';
import { decodeMessage } from './wire.ts';

const bare: ReadonlySet<string> = new Set(
  ['Struct', 'ListValue', 'BoolValue', 'DoubleValue', 'Int32Value', 'Int64Value', 'UInt32Value'].map(
    name => `google.protobuf.${name}`,
  ),
);
const special: ReadonlySet<string> = new Set(
  ['Any', 'Duration', 'Timestamp', 'Value'].map(name => `google.protobuf.${name}`),
);

/** Whether JSON shows a message as what its only field holds. */
export function isBare({ name }: MessageType): boolean {
  return bare.has(name);
}

/** Whether JSON shows a message otherwise than by its fields. */
export function isSpecial(type: MessageType): boolean {
  return isBare(type) || special.has(type.name);
}

/** An `Any` inside of more of them is shown by its bytes: each costs a decoding of all that is in it. */
const anysMax = 4;

/** A message as JSON has it, in new plain objects. @param anys how many `Any` it is inside of */
export function messageJson(message: ProtoMessage, anys = 0): unknown {
  switch (message.type.name) {
    case 'google.protobuf.Any':
      return anyJson(message, anys);
    case 'google.protobuf.Duration':
      return formatDuration(secondsOf(message));
    case 'google.protobuf.Timestamp': {
      const time = secondsOf(message);
      // One that RFC 3339 cannot say is shown as it is.
      return formatTimestamp(time) ?? { seconds: `${time.seconds}`, nanos: time.nanos };
    }
    case 'google.protobuf.Value':
      return anythingJson(message, anys);
    default:
      return isBare(message.type) ? bareJson(message, anys) : fieldsJson(message, anys);
  }
}

function fieldsJson({ type, fields }: ProtoMessage, anys: number): object {
  const members: [string, unknown][] = [];
  for (const field of type.fields) {
    const content = fields.get(field);
    if (content && !saysNothing(content, field.oneof))
      members.push([field.jsonName, contentJson(content, field.type, anys)]);
  }
  return Object.fromEntries(members);
}

function saysNothing(content: Content, oneof: string | undefined): boolean {
  if (content.form === 'one') return oneof === undefined && isDefault(content.value);
  return content.form === 'list' ? content.values.length === 0 : content.entries.size === 0;
}

function contentJson(content: Content, type: ValueType, anys: number): unknown {
  switch (content.form) {
    case 'one':
      return valueJson(content.value, type, anys);
    case 'list':
      return content.values.map(value => valueJson(value, type, anys));
    case 'map':
      return Object.fromEntries([...content.entries].map(([key, value]) => [`${key}`, valueJson(value, type, anys)]));
  }
}

function valueJson(value: ProtoValue, type: ValueType, anys: number): unknown {
  if (type.kind === 'enum' && typeof value === 'number') return type.of.names.get(value) ?? value;
  return typeof value === 'object' && 'fields' in value ? messageJson(value, anys) : scalarJson(value);
}

/** A list, a map or a scalar, which is there even when it is empty. */
function bareJson({ type, fields }: ProtoMessage, anys: number): unknown {
  const [field] = type.fields;
  if (!field) return undefined;
  const content = fields.get(field);
  if (content) return contentJson(content, field.type, anys);
  if (field.form !== 'one') return field.form === 'list' ? [] : {};
  if (field.type.kind !== 'scalar') return undefined;
  if (field.type.scalar === 'bool') return false;
  return field.type.scalar === 'int64' ? '0' : 0;
}

function anythingJson({ type, fields }: ProtoMessage, anys: number): unknown {
  // Of a Value only one field is set; without any, and with null_value, it is null.
  for (const field of type.fields) {
    const content = fields.get(field);
    if (content && field.type.kind !== 'enum') return contentJson(content, field.type, anys);
  }
  return null;
}

function secondsOf(message: ProtoMessage): Seconds {
  const [seconds, nanos] = [valueAt(message, 1), valueAt(message, 2)];
  return { seconds: typeof seconds === 'bigint' ? seconds : 0n, nanos: typeof nanos === 'number' ? nanos : 0 };
}

function anyJson(any: ProtoMessage, anys: number): object {
  const [typeUrl, value] = [valueAt(any, 1), valueAt(any, 2)];
  const name = typeof typeUrl === 'string' ? typeUrl : '';
  const bytes = Buffer.isBuffer(value) ? value : Buffer.alloc(0);
  const known = findMessage(name.slice(name.lastIndexOf('/') + 1));
  const message = anys < anysMax && known ? decodeMessage(known, bytes) : undefined;
  if (!message || 'error' in message) return { '@type': name, value: bytes.toString('base64') };
  const json = messageJson(message, anys + 1);
  return isSpecial(message.type) ? { '@type': name, value: json } : { '@type': name, ...Object(json) };
}
