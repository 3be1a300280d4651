import type { Heartbeat, ResourceFailure, UpstreamResponse, WireResource } from './discovery.ts';
import { aliasesIn } from './resource-fields.ts';
import { anyTypeOfWrapper, canonicalName, isUsableName, nameInBody, opaqueName, readAny } from './resource-name.ts';
import { TagWalk, WireError } from './tag-walk.ts';
import { traitsOf } from './type-urls.ts';
import type { Nonce, TypeUrl, Variant } from './types.ts';

/** A response that cannot be used. With a type and a nonce it can be refused on the wire (NACK), else only the stream can end. */
export interface ResponseError {
  readonly error: string;
  readonly typeUrl: TypeUrl | '';
  readonly nonce: Nonce | '';
  readonly versionInfo: string;
}

interface Envelope {
  typeUrl: string;
  nonce: string;
  versionInfo: string;
  controlPlane: string;
  readonly resources: { start: number; end: number }[];
  readonly removed: string[];
  readonly failures: ResourceFailure[];
}

/**
 * Reads a response envelope by tag walk; bodies stay bytes. Also makes the structural checks that R77 demands: every
 * resource has a readable name, Envoy types carry an Any of their own type, no name occurs twice (R22).
 *
 * @param bytes one `DiscoveryResponse` or `DeltaDiscoveryResponse`; the result shares its memory
 * @param resourcesMax most resources allowed in one response
 */
export function decodeResponse(
  bytes: Buffer,
  variant: Variant,
  resourcesMax: number,
): UpstreamResponse | ResponseError {
  const envelope: Envelope = {
    typeUrl: '',
    nonce: '',
    versionInfo: '',
    controlPlane: '',
    resources: [],
    removed: [],
    failures: [],
  };
  const refuse = (error: string): ResponseError => ({
    error,
    typeUrl: envelope.typeUrl as TypeUrl,
    nonce: envelope.nonce as Nonce,
    versionInfo: envelope.versionInfo,
  });
  try {
    readEnvelope(bytes, variant, envelope);
    if (envelope.typeUrl === '') return refuse('the response has no type_url');
    if (envelope.resources.length > resourcesMax) {
      return refuse(
        `the response holds ${envelope.resources.length} resources, ${resourcesMax} are allowed (setting resourcesPerTypeMax)`,
      );
    }
    const typeUrl = envelope.typeUrl as TypeUrl;
    const traits = traitsOf(typeUrl);
    const resources: WireResource[] = [];
    const heartbeats: Heartbeat[] = [];
    const names = new Set<string>();
    for (const [index, { start, end }] of envelope.resources.entries()) {
      const parsed =
        variant === 'delta' ? readDeltaResource(bytes, start, end) : readSotwResource(bytes.subarray(start, end));
      const isHeartbeat = parsed.any === undefined && !saysNothingIsThere(parsed);
      if (isHeartbeat) {
        // A Resource without body is a heartbeat for its TTL (R25); read as content it would be an emptied resource.
        if (parsed.name !== undefined) heartbeats.push({ name: canonicalName(parsed.name), ttlMs: parsed.ttlMs });
        continue;
      }
      const { any = noBody } = parsed;
      const [anyTypeUrl, body] = readAny(any);
      if (any !== noBody && traits.isEnvoyType && anyTypeUrl !== typeUrl) {
        return refuse(`resource ${index} is a ${anyTypeUrl || 'body without type'} in a ${typeUrl} response`);
      }
      const given = parsed.name ?? nameInBody(anyTypeUrl, body);
      let name = given === undefined ? undefined : canonicalName(given);
      if (variant === 'sotw' && !traits.isEnvoyType) name = opaqueName(name, index, taken => names.has(taken));
      if (!isUsableName(name, traits)) return refuse(`resource ${index} of the response has no name`);
      if (names.has(name)) return refuse(`the response holds '${name}' twice`);
      names.add(name);
      const { version, extra, ttlMs } = parsed;
      resources.push({ name, version, any, extra, ttlMs });
    }
    for (const name of envelope.removed) {
      if (names.has(name)) return refuse(`the response both holds and removes '${name}'`);
    }
    return {
      typeUrl,
      nonce: envelope.nonce as Nonce,
      versionInfo: envelope.versionInfo,
      controlPlane: envelope.controlPlane,
      resources,
      removed: envelope.removed,
      failures: envelope.failures.filter(failure => !names.has(failure.name)),
      heartbeats,
      bytes: bytes.length,
    };
  } catch (error) {
    if (error instanceof WireError) return refuse(`the response cannot be decoded: ${error.message}`);
    throw error;
  }
}

const noBody = Buffer.alloc(0);

/** Of a virtual host that does not exist VHDS says so by a Resource that has aliases and nothing else (R18). */
function saysNothingIsThere({ extra, ttlMs }: ParsedResource): boolean {
  return ttlMs === undefined && aliasesIn(extra).length > 0;
}

function readEnvelope(bytes: Buffer, variant: Variant, envelope: Envelope): void {
  const walk = new TagWalk(bytes);
  while (walk.next()) {
    if (walk.wireType !== 2) continue;
    switch (walk.field) {
      case 1:
        envelope.versionInfo = walk.text();
        break;
      case 2:
        envelope.resources.push({ start: walk.start, end: walk.end });
        break;
      case 4:
        envelope.typeUrl = walk.text();
        break;
      case 5:
        envelope.nonce = walk.text();
        break;
      case 6:
        if (variant === 'delta') envelope.removed.push(canonicalName(walk.text()));
        else envelope.controlPlane = readIdentifier(walk.message());
        break;
      case 7:
        if (variant === 'delta') envelope.controlPlane = readIdentifier(walk.message());
        else pushFailure(envelope.failures, walk.message());
        break;
      case 9:
        if (variant === 'delta') pushFailure(envelope.failures, walk.message());
        break;
    }
  }
}

/** Upstream's words on a name, to this many characters. */
const failureTextMax = 1024;

function pushFailure(failures: ResourceFailure[], walk: TagWalk): void {
  let name = '';
  let code = 0;
  let message = '';
  while (walk.next()) {
    if (walk.wireType !== 2) continue;
    const part = walk.message();
    if (walk.field === 1) while (part.next()) name = part.field === 1 ? canonicalName(part.text()) : name;
    else if (walk.field === 2) {
      while (part.next()) {
        if (part.field === 1 && part.wireType === 0) code = part.varint;
        else if (part.field === 2) message = part.text().slice(0, failureTextMax);
      }
    }
  }
  if (name !== '') failures.push({ name, status: { code, message } });
}

function readIdentifier(walk: TagWalk): string {
  let identifier = '';
  while (walk.next()) if (walk.field === 1) identifier = walk.text();
  return identifier;
}

interface ParsedResource {
  name: string | undefined;
  version: string;
  any: Buffer | undefined;
  extra: Buffer | undefined;
  ttlMs: number | undefined;
}

function readDeltaResource(bytes: Buffer, start: number, end: number): ParsedResource {
  const walk = new TagWalk(bytes, start, end);
  let name = '';
  let version = '';
  let any: Buffer | undefined;
  let extra: Buffer | undefined;
  let ttlMs: number | undefined;
  let fieldStart = start;
  while (walk.next()) {
    if (walk.field === 1) version = walk.text();
    else if (walk.field === 2) any = walk.slice();
    else if (walk.field === 3) name = walk.text();
    // A TTL is ours to keep, never the client's (R114: Envoy crashes on some expiries); everything else passes untouched.
    else if (walk.field === 6) ttlMs = readDuration(walk.message());
    else {
      const field = bytes.subarray(fieldStart, walk.end);
      extra = extra ? Buffer.concat([extra, field]) : Buffer.from(field);
    }
    fieldStart = walk.end;
  }
  return { name, version, any, extra, ttlMs };
}

function readSotwResource(any: Buffer): ParsedResource {
  const [anyTypeUrl] = readAny(any);
  if (anyTypeUrl !== anyTypeOfWrapper) return { name: undefined, version: '', any, extra: undefined, ttlMs: undefined };
  // A wrapper inside SotW: its name and resource are the real ones (rulebook 1.2), and its other fields count as in Delta.
  const walk = new TagWalk(any);
  let wrapper: Buffer = Buffer.alloc(0);
  while (walk.next()) if (walk.field === 2) wrapper = walk.slice();
  const parsed = readDeltaResource(wrapper, 0, wrapper.length);
  return { ...parsed, name: parsed.name === '' ? undefined : parsed.name };
}

/** A TTL longer than this, in seconds, is as good as none; a negative one reads as such. */
const ttlSecondsMax = 10 * 366 * 86_400;

/** A `google.protobuf.Duration` in ms; undefined for one that means nothing. */
function readDuration(walk: TagWalk): number | undefined {
  let seconds = 0;
  let nanos = 0;
  while (walk.next()) {
    if (walk.wireType !== 0) continue;
    if (walk.field === 1) seconds = walk.varint;
    else if (walk.field === 2) nanos = walk.varint;
  }
  return seconds > ttlSecondsMax || nanos >= 1e9 ? undefined : seconds * 1000 + nanos / 1e6;
}
