import {
  bytes,
  duration,
  fieldsOf,
  message,
  nested,
  payloadsOf,
  text,
  textOf,
  texts,
  textsOf,
  uint,
} from '../../src/demo/proto.ts';
import type { Variant } from '../../src/xds/types.ts';

// A codec of the four discovery messages for tests, written apart from src/xds: whoever checks must not share the mistake.

export interface TestRequest {
  readonly typeUrl: string;
  /** Node id; undefined when the request carries no node. */
  readonly nodeId?: string | undefined;
  readonly node?: Buffer | undefined;
  readonly version?: string;
  readonly nonce?: string;
  /** SotW: all names. Delta: names to subscribe. */
  readonly names?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly initialVersions?: ReadonlyMap<string, string>;
  /** Text of a NACK. */
  readonly error?: string | undefined;
}

export interface TestResource {
  readonly name: string;
  readonly version: string;
  /** Value of the Any. */
  readonly body: Buffer;
  readonly anyType?: string;
  /** In ms; in SotW it wraps the resource. An empty body makes it a heartbeat then. */
  readonly ttlMs?: number;
  /** Delta only. */
  readonly aliases?: readonly string[];
}

/** One of `resource_errors`. */
export interface TestError {
  readonly name: string;
  readonly code: number;
  readonly message: string;
}

export interface TestResponse {
  readonly typeUrl: string;
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly TestResource[];
  readonly removed: readonly string[];
  /** Undefined where there are none. */
  readonly errors?: readonly TestError[];
}

export function encodeNode(id: string, extra: readonly ReturnType<typeof text>[] = []): Buffer {
  return message(text(1, id), text(2, 'test'), ...extra);
}

export function encodeTestRequest(request: TestRequest, variant: Variant): Buffer {
  const { typeUrl, version = '', nonce = '', names = [], unsubscribe = [], initialVersions, error, nodeId } = request;
  const nodeBytes = request.node ?? (nodeId === undefined ? undefined : encodeNode(nodeId));
  const node = (number: number) => (nodeBytes ? [bytes(number, nodeBytes)] : []);
  const detail = (number: number) => (error === undefined ? [] : [nested(number, uint(1, 13), text(2, error))]);
  if (variant === 'sotw') {
    return message(text(1, version), ...node(2), texts(3, names), text(4, typeUrl), text(5, nonce), ...detail(6));
  }
  const held = [...(initialVersions ?? [])].map(([name, at]) => nested(5, text(1, name), text(2, at)));
  return message(
    ...node(1),
    text(2, typeUrl),
    texts(3, names),
    texts(4, unsubscribe),
    ...held,
    text(6, nonce),
    ...detail(7),
  );
}

export function decodeTestRequest(buffer: Buffer, variant: Variant): Required<Omit<TestRequest, 'node'>> {
  const fields = fieldsOf(buffer);
  const isDelta = variant === 'delta';
  const node = payloadsOf(fields, isDelta ? 1 : 2)[0];
  const error = payloadsOf(fields, isDelta ? 7 : 6)[0];
  const entries = isDelta ? payloadsOf(fields, 5).map(fieldsOf) : [];
  return {
    typeUrl: textOf(fields, isDelta ? 2 : 4),
    nodeId: node ? textOf(fieldsOf(node), 1) : undefined,
    version: isDelta ? '' : textOf(fields, 1),
    nonce: textOf(fields, isDelta ? 6 : 5),
    names: textsOf(fields, 3),
    unsubscribe: isDelta ? textsOf(fields, 4) : [],
    initialVersions: new Map(entries.map(entry => [textOf(entry, 1), textOf(entry, 2)])),
    error: error ? textOf(fieldsOf(error), 2) : undefined,
  };
}

const wrapperType = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

export function encodeTestResponse(response: TestResponse, variant: Variant, controlPlane = ''): Buffer {
  const plain = (resource: TestResource, number: number) =>
    nested(number, text(1, resource.anyType ?? response.typeUrl), bytes(2, resource.body));
  // A resource without a body: with a TTL a heartbeat, with aliases a name that there is nothing of.
  const wrapper = (one: TestResource) => [
    text(1, one.version),
    ...(one.body.length > 0 ? [plain(one, 2)] : []),
    text(3, one.name),
    texts(4, one.aliases ?? []),
    ...(one.ttlMs === undefined ? [] : [duration(6, one.ttlMs)]),
  ];
  const any = (one: TestResource) =>
    one.ttlMs === undefined ? plain(one, 2) : nested(2, text(1, wrapperType), bytes(2, message(...wrapper(one))));
  const { version, nonce, typeUrl, resources, removed, errors: failures = [] } = response;
  const errors = failures.map(one =>
    nested(
      variant === 'sotw' ? 7 : 9,
      nested(1, text(1, one.name)),
      nested(2, uint(1, one.code), text(2, one.message)),
    ),
  );
  const identifier = nested(variant === 'sotw' ? 6 : 7, text(1, controlPlane));
  if (variant === 'sotw') {
    return message(text(1, version), ...resources.map(any), text(4, typeUrl), text(5, nonce), identifier, ...errors);
  }
  const wrapped = resources.map(one => nested(2, ...wrapper(one)));
  return message(
    text(1, version),
    ...wrapped,
    text(4, typeUrl),
    text(5, nonce),
    texts(6, removed),
    identifier,
    ...errors,
  );
}

/** Name in a body; empty when the body is no message, which of an unknown type it need not be. */
function nameIn(body: Buffer): string {
  try {
    return textOf(fieldsOf(body), 1);
  } catch {
    return '';
  }
}

export function decodeTestResponse(buffer: Buffer, variant: Variant): TestResponse {
  const fields = fieldsOf(buffer);
  const isDelta = variant === 'delta';
  const resources = payloadsOf(fields, 2).map(payload => {
    const outer = fieldsOf(payload);
    const any = isDelta ? fieldsOf(payloadsOf(outer, 2)[0] ?? Buffer.alloc(0)) : outer;
    const body = payloadsOf(any, 2)[0] ?? Buffer.alloc(0);
    const name = isDelta ? textOf(outer, 3) : nameIn(body);
    const aliases = isDelta ? textsOf(outer, 4) : [];
    const version = isDelta ? textOf(outer, 1) : '';
    return { name, version, body, anyType: textOf(any, 1), ...(aliases.length > 0 && { aliases }) };
  });
  const errors = payloadsOf(fields, isDelta ? 9 : 7).map(payload => {
    const parts = fieldsOf(payload);
    const status = fieldsOf(payloadsOf(parts, 2)[0] ?? Buffer.alloc(0));
    const code = status.find(field => field.number === 1)?.value ?? 0;
    return { name: textOf(fieldsOf(payloadsOf(parts, 1)[0] ?? Buffer.alloc(0)), 1), code, message: textOf(status, 2) };
  });
  return {
    typeUrl: textOf(fields, 4),
    version: textOf(fields, 1),
    nonce: textOf(fields, 5),
    resources,
    removed: isDelta ? textsOf(fields, 6) : [],
    ...(errors.length > 0 && { errors }),
  };
}
