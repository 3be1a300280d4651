import { bytes, fieldsOf, message, nested, payloadsOf, text, textOf, texts, textsOf, uint } from './proto.ts';

// The discovery envelopes of the demo's control plane and client. They are written apart from src/xds on purpose: two
// readers of the same rulebook that understand each other are worth more than one that understands itself.

/** The two forms of ADS. */
export type Variant = 'sotw' | 'delta';

/** gRPC method of ADS in each form. */
export const adsMethod: Readonly<Record<Variant, string>> = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
};

/** A resource as the control plane holds and the client receives it. */
export interface Resource {
  readonly name: string;
  /** Changes whenever the body changes. Empty when it came in SotW, which has none. */
  readonly version: string;
  /** Encoded message of the type, the value of the `Any`. Nobody changes it. */
  readonly body: Buffer;
}

/** A request in either form; SotW fills `names`, Delta `subscribe`, `unsubscribe` and `initialVersions`. */
export interface Request {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly nodeId: string;
  readonly names: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: ReadonlyMap<string, string>;
  /** Text of a NACK, undefined for anything else. */
  readonly error: string | undefined;
}

/** A response in either form; `removed` is empty in SotW. */
export interface Response {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
}

/** Decodes a request. @throws Error when the bytes are no protobuf message */
export function decodeRequest(buffer: Buffer, variant: Variant): Request {
  const fields = fieldsOf(buffer);
  const isDelta = variant === 'delta';
  const node = payloadsOf(fields, isDelta ? 1 : 2)[0];
  const error = payloadsOf(fields, isDelta ? 7 : 6)[0];
  const entries = isDelta ? payloadsOf(fields, 5).map(fieldsOf) : [];
  return {
    typeUrl: textOf(fields, isDelta ? 2 : 4),
    nonce: textOf(fields, isDelta ? 6 : 5),
    nodeId: node ? textOf(fieldsOf(node), 1) : '',
    names: textsOf(fields, 3),
    unsubscribe: isDelta ? textsOf(fields, 4) : [],
    initialVersions: new Map(entries.map(entry => [textOf(entry, 1), textOf(entry, 2)])),
    error: error ? textOf(fieldsOf(error), 2) || 'no text' : undefined,
  };
}

/** What a client of the demo sends. */
export interface RequestToSend {
  readonly typeUrl: string;
  readonly nonce?: string;
  /** SotW: version of the last response that was accepted. */
  readonly version?: string;
  /** Set on the first request of a stream. */
  readonly nodeId?: string;
  /** SotW: all names. Delta: names to subscribe. */
  readonly names?: Iterable<string>;
  /** Delta, first request of a type on a stream: versions held, by name. */
  readonly initialVersions?: Iterable<readonly [string, string]>;
}

/** Encodes a request. */
export function encodeRequest(request: RequestToSend, variant: Variant): Buffer {
  const { typeUrl, nonce = '', version = '', nodeId, names = [], initialVersions = [] } = request;
  const node = (number: number) =>
    nodeId === undefined ? texts(number, []) : nested(number, text(1, nodeId), text(2, 'demo'));
  const held = [...initialVersions].map(([name, held]) => nested(5, text(1, name), text(2, held)));
  if (variant === 'delta') return message(node(1), text(2, typeUrl), texts(3, names), ...held, text(6, nonce));
  return message(text(1, version), node(2), texts(3, names), text(4, typeUrl), text(5, nonce));
}

function any(number: number, typeUrl: string, body: Buffer) {
  return nested(number, text(1, typeUrl), bytes(2, body));
}

/** Encodes a response; `identifier` is what the control plane calls itself. */
export function encodeResponse(response: Response, identifier: string, variant: Variant): Buffer {
  const { typeUrl, nonce, version, resources, removed } = response;
  if (variant === 'delta') {
    const wrapped = resources.map(resource =>
      nested(2, text(1, resource.version), any(2, typeUrl, resource.body), text(3, resource.name)),
    );
    return message(
      text(1, version),
      ...wrapped,
      text(4, typeUrl),
      text(5, nonce),
      texts(6, removed),
      nested(7, text(1, identifier)),
    );
  }
  const bare = resources.map(resource => any(2, typeUrl, resource.body));
  return message(
    text(1, version),
    ...bare,
    uint(3, 0),
    text(4, typeUrl),
    text(5, nonce),
    nested(6, text(1, identifier)),
  );
}

/** Decodes a response. In SotW a resource's name is field 1 of its body. @throws Error when the bytes are no protobuf message */
export function decodeResponse(buffer: Buffer, variant: Variant): Response {
  const fields = fieldsOf(buffer);
  const resources = payloadsOf(fields, 2).map(payload => {
    const outer = fieldsOf(payload);
    const inner = variant === 'delta' ? fieldsOf(payloadsOf(outer, 2)[0] ?? Buffer.alloc(0)) : outer;
    // Copied out: a slice would keep the whole message of the connection alive.
    const body = Buffer.from(payloadsOf(inner, 2)[0] ?? Buffer.alloc(0));
    const name = variant === 'delta' ? textOf(outer, 3) : textOf(fieldsOf(body), 1);
    return { name, version: variant === 'delta' ? textOf(outer, 1) : '', body };
  });
  return {
    typeUrl: textOf(fields, 4),
    nonce: textOf(fields, 5),
    version: textOf(fields, 1),
    resources,
    removed: variant === 'delta' ? textsOf(fields, 6) : [],
  };
}
