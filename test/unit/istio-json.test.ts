import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { istioKinds, kindOfObject, kindOfTypeUrl, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { istioMessages } from '../../src/istio/messages.ts';
import { decodeJson, encodeJson, problemText } from '../../src/proto/json-reader.ts';

// The rules of proto3's JSON, and what istiod takes beside them. That the results are Go's is shown in test/e2e/istio-types.test.ts.

const route = 'istio.networking.v1alpha3.HTTPRoute';
const virtualService = 'istio.networking.v1alpha3.VirtualService';
const envoyPatch = 'istio.networking.v1alpha3.EnvoyFilter.Patch';
const meshConfig = 'istio.mesh.v1alpha1.MeshConfig';
const hash = 'istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB';

/** There and back. */
function throughBytes(message: string, json: unknown): unknown {
  const bytes = encodeJson(istioMessages, message, json);
  assert.ok(Buffer.isBuffer(bytes), JSON.stringify(bytes));
  return decodeJson(istioMessages, message, bytes);
}

/** All problems in words. */
function problems(message: string, json: unknown): string[] {
  const read = encodeJson(istioMessages, message, json);
  return 'problems' in read ? read.problems.map(problemText) : [];
}

describe('kinds', () => {
  test('there are the 15 that istiod asks for, and each of its messages is described', () => {
    assert.equal(istioKinds.length, 15);
    for (const { message } of istioKinds) assert.ok(istioMessages.names.includes(message), message);
    const names = istioKinds.map(({ kind }) => kind);
    assert.deepEqual(names, names.toSorted(), 'in the order of their names');
    assert.equal(new Set(istioKinds.flatMap(({ typeUrl, olderTypeUrls }) => [typeUrl, ...olderTypeUrls])).size, 26);
  });

  const cases: readonly (readonly [kind: string, typeUrl: string, older: readonly string[], message: string])[] = [
    [
      'VirtualService',
      'networking.istio.io/v1/VirtualService',
      ['networking.istio.io/v1alpha3/VirtualService'],
      virtualService,
    ],
    ['EnvoyFilter', 'networking.istio.io/v1alpha3/EnvoyFilter', [], 'istio.networking.v1alpha3.EnvoyFilter'],
    ['ProxyConfig', 'networking.istio.io/v1beta1/ProxyConfig', [], 'istio.networking.v1beta1.ProxyConfig'],
    ['WasmPlugin', 'extensions.istio.io/v1alpha1/WasmPlugin', [], 'istio.extensions.v1alpha1.WasmPlugin'],
    [
      'Telemetry',
      'telemetry.istio.io/v1/Telemetry',
      ['telemetry.istio.io/v1alpha1/Telemetry'],
      'istio.telemetry.v1alpha1.Telemetry',
    ],
    [
      'PeerAuthentication',
      'security.istio.io/v1/PeerAuthentication',
      ['security.istio.io/v1beta1/PeerAuthentication'],
      'istio.security.v1beta1.PeerAuthentication',
    ],
  ];
  for (const [kind, typeUrl, older, message] of cases) {
    test(`${kind} has its own versions in type URLs`, () => {
      const found = kindOfTypeUrl(typeUrl);
      assert.deepEqual(
        [found?.kind, found?.typeUrl, found?.olderTypeUrls, found?.message],
        [kind, typeUrl, older, message],
      );
      for (const url of older) assert.equal(kindOfTypeUrl(url), found);
    });
  }

  test('manifests of all versions are of the same kind, and others of none', () => {
    const found = ['v1', 'v1beta1', 'v1alpha3'].map(version =>
      kindOfObject(`networking.istio.io/${version}`, 'Gateway'),
    );
    assert.deepEqual(
      [...new Set(found)].map(kind => kind?.kind),
      ['Gateway'],
    );
    assert.equal(kindOfObject('networking.istio.io/v2', 'Gateway'), undefined);
    assert.equal(kindOfObject('gateway.networking.k8s.io/v1', 'Gateway'), undefined);
    assert.equal(kindOfTypeUrl('networking.istio.io/v1beta1/Gateway'), undefined, 'by which istiod never asked');
    assert.equal(kindOfTypeUrl(meshConfigTypeUrl), undefined);
  });

  test('every type in the tables is found', () => {
    for (const name of istioMessages.names)
      assert.ok(
        istioMessages.get(name).fields.every(({ number }) => number > 0),
        name,
      );
  });
});

describe('JSON is taken', () => {
  const cases: readonly (readonly [what: string, message: string, json: unknown, back: unknown])[] = [
    ['names of both forms', virtualService, { export_to: ['.'] }, { exportTo: ['.'] }],
    ['null for nothing', route, { name: null, route: null, timeout: null, match: [] }, {}],
    ['defaults for nothing', route, { name: '', match: [{ port: 0, ignoreUriCase: false }] }, { match: [{}] }],
    ['defaults within a oneof', route, { match: [{ uri: { exact: '' } }] }, { match: [{ uri: { exact: '' } }] }],
    ['empty messages', route, { retries: {} }, { retries: {} }],
    ['wrappers of defaults', meshConfig, { enableAutoMtls: false }, { enableAutoMtls: false }],
    ['enums by name', meshConfig, { accessLogEncoding: 'JSON' }, { accessLogEncoding: 'JSON' }],
    ['enums by number', meshConfig, { accessLogEncoding: 1 }, { accessLogEncoding: 'JSON' }],
    ['numbers that no enum has', meshConfig, { accessLogEncoding: -77 }, { accessLogEncoding: -77 }],
    [
      'lists of enums',
      'istio.mesh.v1alpha1.Tracing.OpenCensusAgent',
      { context: ['B3', 0, 9] },
      { context: ['B3', 'UNSPECIFIED', 9] },
    ],
    ['64 bits as text', hash, { minimumRingSize: '18446744073709551615' }, { minimumRingSize: '18446744073709551615' }],
    ['64 bits as number', hash, { minimumRingSize: 1024 }, { minimumRingSize: '1024' }],
    ['64 bits as bigint', hash, { minimumRingSize: 2n ** 63n }, { minimumRingSize: '9223372036854775808' }],
    ['small numbers as text', route, { retries: { attempts: '-3' } }, { retries: { attempts: -3 } }],
    ['whole numbers with a point', route, { retries: { attempts: 3.0 } }, { retries: { attempts: 3 } }],
    ['doubles as text', route, { mirrorPercentage: { value: '1e2' } }, { mirrorPercentage: { value: 100 } }],
    ['no number', route, { mirrorPercentage: { value: 'NaN' } }, { mirrorPercentage: { value: 'NaN' } }],
    ['infinity', route, { mirrorPercentage: { value: '-Infinity' } }, { mirrorPercentage: { value: '-Infinity' } }],
    ['minus zero', route, { mirrorPercentage: { value: -0 } }, { mirrorPercentage: { value: -0 } }],
    ['base64', route, { directResponse: { body: { bytes: '_-8' } } }, { directResponse: { body: { bytes: '/+8=' } } }],
    [
      'maps of numbers',
      'istio.security.v1beta1.PeerAuthentication',
      { portLevelMtls: { 80: {} } },
      { portLevelMtls: { 80: {} } },
    ],
    [
      'keys of any text',
      route,
      { headers: { request: { set: JSON.parse('{"__proto__":"a","constructor":"b"}') } } },
      undefined,
    ],
    ['Unicode', route, { name: 'grüß 世界 \u{1f30d} \u0000\ufeff' }, { name: 'grüß 世界 \u{1f30d} \u0000\ufeff' }],
    [
      'structs',
      envoyPatch,
      { value: { a: [null, true, 1.5, 'x', {}, [[]]] } },
      { value: { a: [null, true, 1.5, 'x', {}, [[]]] } },
    ],
    ['empty structs', envoyPatch, { value: {} }, { value: {} }],
    ['large numbers in structs', envoyPatch, { value: { a: 2n ** 60n } }, { value: { a: 2 ** 60 } }],
    ['nothing at all', virtualService, null, {}],
    ['null as a value', 'google.protobuf.Value', null, null],
    ['a duration alone', 'google.protobuf.Duration', '1h', '3600s'],
  ];
  for (const [what, message, json, back] of cases) {
    test(what, () => assert.deepEqual(throughBytes(message, json), back === undefined ? json : back));
  }

  const durations: readonly (readonly [given: string, back: string])[] = [
    ['1.5s', '1.500s'],
    ['0', '0s'],
    ['-1.5s', '-1.500s'],
    ['1h30m', '5400s'],
    ['1m0.5s', '60.500s'],
    ['100ms', '0.100s'],
    ['7ns', '0.000000007s'],
    ['3us', '0.000003s'],
    ['3µs', '0.000003s'],
    ['0.0000000019s', '0.000000001s'],
    ['315576000000s', '315576000000s'],
  ];
  for (const [given, back] of durations) {
    test(`the duration ${given}`, () => assert.deepEqual(throughBytes(route, { timeout: given }), { timeout: back }));
  }

  const times: readonly (readonly [given: string, back: string])[] = [
    ['2026-01-31T08:00:00Z', '2026-01-31T08:00:00Z'],
    ['2026-01-31T08:00:00.5+01:30', '2026-01-31T06:30:00.500Z'],
    ['2024-02-29T23:59:59.123456789Z', '2024-02-29T23:59:59.123456789Z'],
    ['1969-12-31T23:59:59.25Z', '1969-12-31T23:59:59.250Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['0099-03-04T00:00:00Z', '0099-03-04T00:00:00Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
  ];
  for (const [given, back] of times) {
    const metadata = 'istio.mcp.v1alpha1.Metadata';
    test(`the time ${given}`, () =>
      assert.deepEqual(throughBytes(metadata, { createTime: given }), { createTime: back }));
  }

  test('an Any of a known type, of a type with a JSON form of its own, and of one that nobody knows', () => {
    const bodies: readonly unknown[] = [
      { '@type': 'type.googleapis.com/istio.networking.v1alpha3.Destination', host: 'a' },
      { '@type': 'x/google.protobuf.Duration', value: '1s' },
      { '@type': 'type.googleapis.com/some.Message', value: 'AQID' },
    ];
    for (const body of bodies) assert.deepEqual(throughBytes('istio.mcp.v1alpha1.Resource', { body }), { body });
  });
});

describe('JSON is refused, with where and why', () => {
  const cases: readonly (readonly [message: string, json: unknown, problem: string])[] = [
    [virtualService, [], 'it must be an object, not a list'],
    [virtualService, { host: ['a'] }, 'host is no field of VirtualService; did you mean hosts?'],
    [virtualService, { banana: 1 }, 'banana is no field of VirtualService'],
    [virtualService, { exportTo: [], export_to: [] }, 'export_to is given twice, as export_to and as exportTo'],
    [virtualService, { hosts: 'a' }, "hosts must be a list, not the text 'a'"],
    [virtualService, { hosts: ['a', 80] }, 'hosts[1] must be text, not the number 80; put it in quotes'],
    [virtualService, { hosts: [null] }, 'hosts[0] must be text, not null'],
    [virtualService, { http: [null] }, 'http[0] must be an object, not null'],
    [
      virtualService,
      { http: [{ timeout: 5 }] },
      "http[0].timeout must be a duration such as '1.5s' or '1h30m', not the number 5",
    ],
    [route, { timeout: '1d' }, "timeout must be a duration such as '1.5s' or '1h30m', not the text '1d'"],
    [
      route,
      { timeout: '315576000001s' },
      "timeout must be a duration such as '1.5s' or '1h30m', not the text '315576000001s'",
    ],
    [route, { name: 'a\ud800' }, 'name must be text in Unicode; half of a character stands alone'],
    [route, { name: false }, 'name must be text, not false; put it in quotes'],
    [route, { name: new Date(0) }, 'name must be text, not a Date'],
    [
      route,
      { match: [{ uri: { exact: 'a', prefix: 'b' } }] },
      'match[0].uri.prefix stands beside exact, and only one of the two may be there',
    ],
    [route, { match: [{ port: -1 }] }, 'match[0].port must be from 0 to 4294967295, not -1'],
    [route, { match: [{ headers: ['a'] }] }, 'match[0].headers must be an object, not a list'],
    [route, { match: [{ headers: { 'x y': 1 } }] }, "match[0].headers['x y'] must be an object, not the number 1"],
    [route, { retries: { attempts: 1.5 } }, 'retries.attempts must be a whole number, not 1.5'],
    [route, { retries: { attempts: '1.0' } }, "retries.attempts must be a whole number, not the text '1.0'"],
    [
      route,
      { retries: { retryRemoteLocalities: 'true' } },
      "retries.retryRemoteLocalities must be true or false, not the text 'true'",
    ],
    [
      route,
      { mirrorPercentage: { value: Number.NaN } },
      "mirrorPercentage.value must be a finite number, 'NaN', 'Infinity' or '-Infinity', not the number NaN",
    ],
    [hash, { minimumRingSize: 2 ** 60 }, 'minimumRingSize is too large to be exact as a number; put it in quotes'],
    [
      hash,
      { minimumRingSize: '18446744073709551616' },
      'minimumRingSize must be from 0 to 18446744073709551615, not 18446744073709551616',
    ],
    [meshConfig, { accessLogEncoding: 'json' }, "accessLogEncoding must be one of TEXT, JSON, not the text 'json'"],
    [meshConfig, { accessLogEncoding: '1' }, "accessLogEncoding must be one of TEXT, JSON, not the text '1'"],
    [
      'istio.security.v1beta1.PeerAuthentication',
      { portLevelMtls: { http: {} } },
      "portLevelMtls.http has a key that must be a whole number, not the text 'http'",
    ],
    [envoyPatch, { value: [] }, 'value must be an object, not a list'],
    [envoyPatch, { value: { a: [() => 1] } }, 'value.a[0] must be what JSON can say, not a function'],
    [
      envoyPatch,
      { value: { a: Number.POSITIVE_INFINITY } },
      'value.a must be what JSON can say, not the number Infinity',
    ],
    [
      'istio.mcp.v1alpha1.Metadata',
      { createTime: '2026-02-30T00:00:00Z' },
      "createTime must be a time such as '2026-01-31T08:00:00Z', not the text '2026-02-30T00:00:00Z'",
    ],
    ...[
      '2026-13-01T00:00:00Z',
      '2026-00-10T00:00:00Z',
      '2026-04-31T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '2026-01-01T00:00:00+24:00',
      '2026-01-01 00:00:00Z',
      '2026-01-01T00:00:00',
      '0001-01-01T00:00:00+01:00',
      '9999-12-31T23:59:59-00:01',
    ].map((time): [string, unknown, string] => [
      'istio.mcp.v1alpha1.Metadata',
      { createTime: time },
      `createTime must be a time such as '2026-01-31T08:00:00Z', not the text '${time}'`,
    ]),
    ...['AB=', 'A', 'AAAA=', 'A B=', 'A+_=', 'A==='].map((bytes): [string, unknown, string] => [
      route,
      { directResponse: { body: { bytes } } },
      'directResponse.body.bytes is no base64',
    ]),
    ['istio.mcp.v1alpha1.Resource', { body: {} }, "body['@type'] must be a type URL, not nothing"],
    [
      'istio.mcp.v1alpha1.Resource',
      { body: { '@type': 'a/b', c: 1 } },
      'body.c must not be there; all of a/b stands in value',
    ],
    ['istio.Unheard', {}, 'it is of a message that is not known, istio.Unheard'],
  ];
  for (const [message, json, problem] of cases) {
    test(problem, () => assert.deepEqual(problems(message, json), [problem]));
  }

  test('all of it at once, to 20 problems', () => {
    assert.equal(problems(virtualService, { hosts: [1, 2], http: [{ nam: 1 }, { timeout: 'x' }] }).length, 4);
    assert.equal(problems(virtualService, { hosts: Array.from({ length: 1_000 }, () => 1) }).length, 20);
  });
});

describe('limits', () => {
  const nested = (levels: number): unknown => {
    let value: unknown = 'x';
    for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
    return value;
  };

  test('a hundred objects and lists inside of each other, and no more', () => {
    const [most, more] = [98, 99].map(levels => problems(envoyPatch, { value: { a: nested(levels) } }));
    assert.deepEqual(most, []);
    assert.equal(more?.length, 1);
    assert.match(
      more?.[0] ?? '',
      /^value\.a(\[0\]|\.a)+ stands inside of more than 100 objects and lists; split the object$/,
    );
  });

  test('what stands inside of itself ends there', () => {
    const circle: { a: unknown } = { a: undefined };
    circle.a = circle;
    assert.equal(problems(envoyPatch, { value: circle }).length, 1);
  });

  test('aliases count as often as they stand there', () => {
    // Ten lists of ten lists of ten…: a billion values made of a hundred.
    let value: unknown = 'x';
    for (let level = 0; level < 9; level++) value = Array.from({ length: 10 }, () => value);
    const [problem, ...others] = problems(envoyPatch, { value: { a: value } });
    assert.deepEqual(others, []);
    assert.match(problem ?? '', / is one value more than the 500000 that are allowed; split the object$/);
  });

  test('a text, and many of them, have an end', () => {
    const half = 'x'.repeat(1024 * 1024);
    assert.deepEqual(problems(virtualService, { hosts: [half] }), []);
    assert.match(
      problems(virtualService, { hosts: [half, half, 'x'] })[0] ?? '',
      /^hosts\[2\] makes for more text than the 2097152 bytes/,
    );
    assert.match(
      problems(virtualService, { hosts: [half, half] })[0] ?? '',
      /^it has \d+ bytes when encoded, 2097152 are allowed; split it$/,
    );
  });
});

describe('bytes', () => {
  test('equal content is equal bytes, in whatever order it is written', () => {
    const one = encodeJson(istioMessages, virtualService, {
      hosts: ['a'],
      http: [{ name: 'b', headers: { request: { set: { y: '1', x: '2' } } } }],
    });
    const other = encodeJson(istioMessages, virtualService, {
      http: [{ headers: { request: { set: { x: '2', y: '1' } } }, name: 'b' }],
      hosts: ['a'],
    });
    assert.ok(Buffer.isBuffer(one) && Buffer.isBuffer(other));
    assert.equal(one.toString('hex'), other.toString('hex'));
  });

  const written: readonly (readonly [what: string, message: string, json: unknown, hex: string])[] = [
    ['null as a value', 'google.protobuf.Value', null, '0800'],
    [
      'numbers as keys by their size',
      'istio.security.v1beta1.PeerAuthentication',
      { portLevelMtls: { 10: {}, 9: {} } },
      '1a0408091200 1a04080a1200',
    ],
    [
      'texts as keys by their bytes',
      'istio.type.v1beta1.WorkloadSelector',
      { matchLabels: { '\u{10000}': '', '\uffff': '', b: '', a: '' } },
      '0a05 0a0161 1200 0a05 0a0162 1200 0a07 0a03efbfbf 1200 0a08 0a04f0908080 1200',
    ],
    [
      'lists of numbers in one field',
      'istio.networking.v1alpha3.OutlierDetection',
      { outlierDetectionHttpErrorCodes: [0, 500] },
      '5203 00 f403',
    ],
    [
      'members of oneofs last',
      'istio.networking.v1alpha3.HTTPFaultInjection.Abort',
      { httpStatus: 1, percentage: {} },
      '2a00 1001',
    ],
  ];
  for (const [what, message, json, bytes] of written) {
    test(what, () => {
      const read = encodeJson(istioMessages, message, json);
      assert.equal(Buffer.isBuffer(read) && read.toString('hex'), bytes.replaceAll(' ', ''));
    });
  }

  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
  const agent = 'istio.mesh.v1alpha1.Tracing.OpenCensusAgent';
  const cases: readonly (readonly [what: string, message: string, bytes: Buffer, json: unknown])[] = [
    ['the last of several values counts', route, hex('8a01 01 61 8a01 01 62'), { name: 'b' }],
    ['messages are merged', route, hex('3a 02 0803 3a 03 1a0161'), { retries: { attempts: 3, retryOn: 'a' } }],
    [
      'the last member of a oneof counts',
      'istio.networking.v1alpha3.StringMatch',
      hex('0a0161 120162'),
      { prefix: 'b' },
    ],
    [
      'lists of numbers are read in both forms',
      agent,
      hex('1001 1202 0402 1003'),
      {
        context: [1, 4, 2, 3].map(
          n => ['UNSPECIFIED', 'W3C_TRACE_CONTEXT', 'GRPC_BIN', 'CLOUD_TRACE_CONTEXT', 'B3'][n],
        ),
      },
    ],
    ['fields that are not known are left out', route, hex('8a01 01 61 f83e 01 fa3e 00'), { name: 'a' }],
    ['a field of another wire type is not known', route, hex('8801 01'), {}],
    [
      'entries of maps have defaults',
      'istio.networking.v1alpha3.WorkloadEntry',
      hex('12 00 12 05 0a 01 61 10 07'),
      { ports: { '': 0, a: 7 } },
    ],
    [
      'negative numbers have ten bytes',
      'istio.networking.v1alpha3.EnvoyFilter',
      hex('28 f6ffffffffffffffff01'),
      { priority: -10 },
    ],
    [
      'a time that RFC 3339 cannot say',
      'google.protobuf.Timestamp',
      hex('08 ffffffffffffffff7f'),
      { seconds: '9223372036854775807', nanos: 0 },
    ],
    [
      'an Any of a known type with broken bytes',
      'google.protobuf.Any',
      Buffer.concat([hex('0a 1b'), Buffer.from('a/google.protobuf.BoolValue'), hex('12 01 ff')]),
      { '@type': 'a/google.protobuf.BoolValue', value: '/w==' },
    ],
    ['a Value of nothing', 'google.protobuf.Value', hex(''), null],
    ['wrappers of nothing', 'google.protobuf.Int64Value', hex(''), '0'],
  ];
  for (const [what, message, bytes, json] of cases) {
    test(what, () => assert.deepEqual(decodeJson(istioMessages, message, bytes), json));
  }

  const broken: readonly (readonly [what: string, bytes: Buffer])[] = [
    ['a length beyond the end', hex('0a05 61')],
    ['text that is no UTF-8', hex('8a01 01 ff')],
    ['a tag that is cut off', hex('8a')],
    ['field number 0', hex('0201 61')],
  ];
  for (const [what, bytes] of broken) {
    test(`are none with ${what}`, () => assert.equal(decodeJson(istioMessages, route, bytes), undefined));
  }

  test('are none with messages inside of each other without an end', () => {
    // Each level is a Value that holds a list of one Value.
    let bytes: Buffer = Buffer.alloc(0);
    const field = (tag: number, content: Buffer): Buffer => {
      const length = [];
      let rest = content.length;
      for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
      return Buffer.concat([Buffer.from([tag, ...length, rest]), content]);
    };
    for (let level = 0; level < 300; level++) bytes = field(0x32, field(0x0a, bytes));
    assert.equal(decodeJson(istioMessages, 'google.protobuf.Value', bytes), undefined);
  });

  test('of an Any in an Any are shown, to a depth', () => {
    const any = (inside: unknown) => ({ '@type': 'a/google.protobuf.Any', value: inside });
    let json: unknown = { '@type': 'a/google.protobuf.BoolValue', value: true };
    for (let level = 0; level < 8; level++) json = any(json);
    let shown = throughBytes('google.protobuf.Any', json);
    for (let level = 0; level < 4; level++) shown = Object(shown).value;
    assert.equal(typeof Object(shown).value, 'string', 'in base64 from there on');
  });

  test('of an unknown message are none', () =>
    assert.equal(decodeJson(istioMessages, 'istio.Unheard', hex('')), undefined));
});
