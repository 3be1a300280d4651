import { dumpStyle, messageJson, opaqueAny } from '../proto/json-writer.ts';
import { type ProtoMessage, valueAt } from '../proto/proto-message.ts';
import { decodeMessage } from '../proto/wire.ts';
import { envoyMessages } from './messages.ts';

/** A resource as Envoy's `/config_dump` shows one: names as in the `.proto` files, `@type` first. What could not be decoded says why under `@error`. */
export type DecodedResource = Readonly<Record<string, unknown>>;

/**
 * Decodes a resource for people to read. What is marked as a key or a password is `[redacted]`, as Envoy does it; extensions that are not
 * known are `{ '@type', value }` with their bytes in base64, and fields that are not known stand under `@unknown_fields`. It never throws.
 *
 * @param typeUrl that it is held under
 * @param any encoded `google.protobuf.Any`
 */
export function decodeEnvoyResource(typeUrl: string, any: Buffer): DecodedResource {
  const opened = openResource(any);
  if ('type' in opened) return { '@type': opened.typeUrl, ...Object(messageJson(opened.message, dumpStyle)) };
  const { error, typeUrl: url = typeUrl, value = any } = opened;
  return { ...opaqueAny(url, value), ...(error === undefined ? {} : { '@error': error }) };
}

/** A resource between bytes and JSON. */
export interface OpenResource {
  readonly type: 'known';
  readonly typeUrl: string;
  readonly message: ProtoMessage;
}

/** A resource that stays bytes, since its type is not known, or for the error. */
export interface ClosedResource {
  readonly error?: string;
  /** As its `Any` says; undefined where it is none. */
  readonly typeUrl?: string;
  /** The bytes in its `Any`. */
  readonly value?: Buffer;
}

/** Opens a resource as far as its message is known. @param any encoded `google.protobuf.Any` */
export function openResource(any: Buffer): OpenResource | ClosedResource {
  const read = decodeMessage(envoyMessages.get('google.protobuf.Any'), any);
  if ('error' in read) return { error: `it is no google.protobuf.Any: ${read.error}` };
  const [url, bytes] = [valueAt(read, 1), valueAt(read, 2)];
  const typeUrl = typeof url === 'string' ? url : '';
  const value = Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
  const type = envoyMessages.find(messageNameOf(typeUrl));
  if (!type) return { typeUrl, value };
  const message = decodeMessage(type, value);
  if ('error' in message) return { typeUrl, value, error: `it is no ${type.name}: ${message.error}` };
  return { type: 'known', typeUrl, message };
}

/** Full name of the message that a type URL names. */
export function messageNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}
