import type { ResourceFailure } from './discovery.ts';
import { bytesField, textField, varintSize, writeVarint } from './tag-walk.ts';

/** What one message to a client says around its resources. */
export interface AnswerHeader {
  readonly typeUrl: string;
  readonly versionInfo: string;
  readonly nonce: string;
  /** `control_plane.identifier` (R125). */
  readonly controlPlane: string;
}

/** A resource as a Delta client gets it. */
export interface DeltaResource {
  readonly name: string;
  readonly version: string;
  readonly any: Buffer;
  readonly extra: Buffer | undefined;
}

const sizeOfText = (bytes: number): number => 1 + varintSize(bytes) + bytes;

function writeText(target: Buffer, position: number, tag: number, text: string, bytes: number): number {
  target[position++] = tag;
  position = writeVarint(target, position, bytes);
  target.write(text, position, bytes, 'utf8');
  return position + bytes;
}

function writeBytes(target: Buffer, position: number, tag: number, bytes: Buffer): number {
  target[position++] = tag;
  position = writeVarint(target, position, bytes.length);
  bytes.copy(target, position);
  return position + bytes.length;
}

/**
 * The `resources` fields of a SotW response, ready to be framed by {@link encodeSotwAnswer}. Made once per view and revision and
 * shared by all clients, so it must not be changed.
 */
export function encodeSotwResources(anys: readonly Buffer[]): Buffer {
  let size = 0;
  for (const any of anys) size += sizeOfText(any.length);
  const target = Buffer.allocUnsafeSlow(size);
  let position = 0;
  for (const any of anys) position = writeBytes(target, position, 0x12, any);
  return target;
}

/** The `resource_errors` of an answer: name and status of each (R24). @param tag of the field in its response */
function encodeErrors(tag: number, failures: readonly ResourceFailure[]): Buffer {
  const parts: Buffer[] = [];
  for (const { name, status } of failures) {
    const code = Buffer.allocUnsafe(1 + varintSize(status.code));
    code[0] = 0x08;
    writeVarint(code, 1, status.code);
    const said = Buffer.concat([code, textField(0x12, status.message)]);
    const whose = textField(0x0a, name);
    parts.push(bytesField(tag, Buffer.concat([bytesField(0x0a, whose), bytesField(0x12, said)])));
  }
  return Buffer.concat(parts);
}

/**
 * Encodes a `DiscoveryResponse` around resource fields made by {@link encodeSotwResources}.
 *
 * @param failures of names that it has no resource of (R24)
 */
export function encodeSotwAnswer(
  header: AnswerHeader,
  resources: readonly Buffer[],
  failures: readonly ResourceFailure[],
): Buffer {
  const errors = encodeErrors(0x3a, failures);
  const version = Buffer.byteLength(header.versionInfo);
  const typeUrl = Buffer.byteLength(header.typeUrl);
  const nonce = Buffer.byteLength(header.nonce);
  const identifier = Buffer.byteLength(header.controlPlane);
  let size = sizeOfText(version) + sizeOfText(typeUrl) + sizeOfText(nonce) + sizeOfText(sizeOfText(identifier));
  size += errors.length;
  for (const part of resources) size += part.length;
  const target = Buffer.allocUnsafeSlow(size);
  let position = writeText(target, 0, 0x0a, header.versionInfo, version);
  for (const part of resources) position += part.copy(target, position);
  position = writeText(target, position, 0x22, header.typeUrl, typeUrl);
  position = writeText(target, position, 0x2a, header.nonce, nonce);
  target[position++] = 0x32;
  position = writeVarint(target, position, sizeOfText(identifier));
  position = writeText(target, position, 0x0a, header.controlPlane, identifier);
  errors.copy(target, position);
  return target;
}

/**
 * Encodes a `DeltaDiscoveryResponse`; every resource is wrapped with name and version (R89).
 *
 * @param failures of names that it has no resource of (R24)
 */
export function encodeDeltaAnswer(
  header: AnswerHeader,
  resources: readonly DeltaResource[],
  removed: readonly string[],
  failures: readonly ResourceFailure[],
): Buffer {
  const errors = encodeErrors(0x4a, failures);
  const version = Buffer.byteLength(header.versionInfo);
  const typeUrl = Buffer.byteLength(header.typeUrl);
  const nonce = Buffer.byteLength(header.nonce);
  const identifier = Buffer.byteLength(header.controlPlane);
  const bodySizes: number[] = [];
  let size =
    errors.length + sizeOfText(version) + sizeOfText(typeUrl) + sizeOfText(nonce) + sizeOfText(sizeOfText(identifier));
  for (const resource of resources) {
    const body =
      sizeOfText(Buffer.byteLength(resource.version)) +
      (resource.any.length > 0 ? sizeOfText(resource.any.length) : 0) +
      sizeOfText(Buffer.byteLength(resource.name)) +
      (resource.extra?.length ?? 0);
    bodySizes.push(body);
    size += sizeOfText(body);
  }
  for (const name of removed) size += sizeOfText(Buffer.byteLength(name));

  const target = Buffer.allocUnsafeSlow(size);
  let position = writeText(target, 0, 0x0a, header.versionInfo, version);
  for (const [index, resource] of resources.entries()) {
    target[position++] = 0x12;
    position = writeVarint(target, position, bodySizes[index] ?? 0);
    position = writeText(target, position, 0x0a, resource.version, Buffer.byteLength(resource.version));
    if (resource.any.length > 0) position = writeBytes(target, position, 0x12, resource.any);
    position = writeText(target, position, 0x1a, resource.name, Buffer.byteLength(resource.name));
    if (resource.extra) position += resource.extra.copy(target, position);
  }
  position = writeText(target, position, 0x22, header.typeUrl, typeUrl);
  position = writeText(target, position, 0x2a, header.nonce, nonce);
  for (const name of removed) position = writeText(target, position, 0x32, name, Buffer.byteLength(name));
  target[position++] = 0x3a;
  position = writeVarint(target, position, sizeOfText(identifier));
  position = writeText(target, position, 0x0a, header.controlPlane, identifier);
  errors.copy(target, position);
  return target;
}
