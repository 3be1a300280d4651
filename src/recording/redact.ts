import { holdsPrivateKey, isSecretType, sensitivityOf } from '../cache/sensitivity.ts';
import { anyTypeOfWrapper, nameInBody, readAny } from '../xds/resource-name.ts';
import { bytesField, TagWalk, textField, WireError } from '../xds/tag-walk.ts';
import type { TypeUrl, Variant } from '../xds/types.ts';

/** A response without what must not be kept. */
export interface RedactedResponse {
  readonly bytes: Buffer;
  /** Names of the resources whose bodies hold their name and nothing more now. */
  readonly redacted: readonly string[];
}

const resourcesField = 2;
const typeUrlField = 4;

/**
 * Takes the bodies of keys, and of what must not be cached, out of an encoded response; all else stays byte for byte (R26, R104).
 *
 * @returns undefined for bytes that are no response, or have a key where none belongs
 */
export function redactResponse(bytes: Buffer, variant: Variant): RedactedResponse | undefined {
  try {
    const typeUrl = typeUrlIn(bytes);
    const parts: Buffer[] = [];
    const redacted: string[] = [];
    const walk = new TagWalk(bytes);
    let fieldStart = 0;
    while (walk.next()) {
      const isResource = walk.field === resourcesField && walk.wireType === 2;
      const content = isResource ? walk.slice() : undefined;
      const found = content && (variant === 'delta' ? redactWrapper(content, typeUrl) : redactAny(content, typeUrl));
      if (found) redacted.push(found.name);
      parts.push(found ? bytesField(0x12, found.bytes) : bytes.subarray(fieldStart, walk.end));
      fieldStart = walk.end;
    }
    if (redacted.length === 0 && !holdsPrivateKey(bytes)) return { bytes, redacted };
    const rest = Buffer.concat(parts);
    return holdsPrivateKey(rest) ? undefined : { bytes: rest, redacted };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** Whether bytes that cannot be read may hold a key. */
export function mayHoldKey(bytes: Buffer): boolean {
  return holdsPrivateKey(bytes) || bytes.includes('tls.v3.Secret');
}

/** A text of a peer, unless it quotes a key. */
export function withoutKey(text: string): string {
  return mayHoldKey(Buffer.from(text)) ? '(text withheld: it quotes a key)' : text;
}

interface Redacted {
  readonly name: string;
  readonly bytes: Buffer;
}

function typeUrlIn(bytes: Buffer): TypeUrl {
  const walk = new TagWalk(bytes);
  let typeUrl = '';
  while (walk.next()) if (walk.field === typeUrlField && walk.wireType === 2) typeUrl = walk.text();
  return typeUrl as TypeUrl;
}

/** A Delta `Resource`: undefined if it may stay as it is. */
function redactWrapper(wrapper: Buffer, typeUrl: TypeUrl): Redacted | undefined {
  const walk = new TagWalk(wrapper);
  let any: Buffer | undefined;
  let name = '';
  const rest: Buffer[] = [];
  let fieldStart = 0;
  while (walk.next()) {
    if (walk.field === 2 && walk.wireType === 2) any = walk.slice();
    else rest.push(wrapper.subarray(fieldStart, walk.end));
    if (walk.field === 3 && walk.wireType === 2) name = walk.text();
    fieldStart = walk.end;
  }
  if (!any) return undefined;
  const [anyTypeUrl] = readAny(any);
  const isOpen = sensitivityOf(typeUrl, { version: '', any, extra: wrapper }) === undefined;
  if (isOpen && !isSecretType(anyTypeUrl as TypeUrl)) return undefined;
  return { name, bytes: Buffer.concat([bytesField(0x12, nameOnly(any, name)), ...rest]) };
}

/** An `Any` of a SotW response, which may hold a wrapper: undefined if it may stay as it is. */
function redactAny(any: Buffer, typeUrl: TypeUrl): Redacted | undefined {
  const [anyTypeUrl, body] = readAny(any);
  if (anyTypeUrl === anyTypeOfWrapper) {
    const inner = redactWrapper(anyValue(any), typeUrl);
    return inner && { name: inner.name, bytes: anyWith(anyTypeUrl, inner.bytes) };
  }
  if (!isSecretType(typeUrl) && !isSecretType(anyTypeUrl as TypeUrl) && !holdsPrivateKey(any)) return undefined;
  const name = nameInBody(anyTypeUrl, body) ?? '';
  return { name, bytes: nameOnly(any, name) };
}

function nameOnly(any: Buffer, name: string): Buffer {
  const [anyTypeUrl] = readAny(any);
  return anyWith(anyTypeUrl, name === '' ? Buffer.alloc(0) : textField(0x0a, name));
}

function anyWith(typeUrl: string, value: Buffer): Buffer {
  return Buffer.concat([textField(0x0a, typeUrl), bytesField(0x12, value)]);
}

function anyValue(any: Buffer): Buffer {
  const walk = new TagWalk(any);
  let value: Buffer = Buffer.alloc(0);
  while (walk.next()) if (walk.field === 2 && walk.wireType === 2) value = walk.slice();
  return value;
}
