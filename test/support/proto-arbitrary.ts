import fc from 'fast-check';
import type { Catalog, Field, Scalar, ValueType } from '../../src/proto/catalog.ts';

// JSON that is valid for a message of the tables, in all the ways in which it may be written.

/** Texts without halves of characters, which are no Unicode. */
const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter(one => one.isWellFormed());

const scalars: Readonly<Record<Scalar, fc.Arbitrary<unknown>>> = {
  double: fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom('Infinity', '-Infinity', 0, 1.5, '2.5'),
  ),
  float: fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom('Infinity', 0, 1.5, '0.1')),
  int32: fc.oneof(fc.integer(), fc.integer().map(String)),
  uint32: fc.oneof(fc.nat({ max: 4_294_967_295 }), fc.nat().map(String)),
  int64: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String), fc.integer()),
  uint64: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String), fc.nat()),
  bool: fc.boolean(),
  string: text,
  bytes: fc.uint8Array({ maxLength: 12 }).map(bytes => Buffer.from(bytes).toString('base64')),
};

/** Durations in both forms, within the 292 years that istiod can read. */
const duration = fc.oneof(
  fc
    .tuple(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.nat({ max: 999_999_999 }))
    .map(([seconds, nanos]) => `${seconds}.${`${nanos}`.padStart(9, '0')}s`),
  fc.tuple(fc.nat({ max: 99 }), fc.nat({ max: 59 }), fc.nat({ max: 999 })).map(([h, m, ms]) => `${h}h${m}m${ms}ms`),
  fc.constantFrom('0s', '0', '-0s', '+1s', '1.5h', '.5s', '5.s', '100us', '7ns', '3µs', '1.0000000009s'),
);

const timestamp = fc
  .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true })
  .chain(date => fc.constantFrom('Z', '+02:00', '-11:30').map(offset => date.toISOString().replace('Z', offset)));

/** A JSON value without what only JavaScript has. */
const anything: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    text,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }),
  ),
})).value;

/** Which messages JSON is made of. */
export interface Source {
  readonly catalog: Catalog;
  /** What every `Any` holds: a message without maps, whose entries istiod's reader of JSON puts in any order there. */
  readonly inAny: string;
}

function messageJson(source: Source, name: string, depth: number): fc.Arbitrary<unknown> {
  switch (name) {
    case 'google.protobuf.Any':
      return messageJson(source, source.inAny, depth).map(json => ({
        '@type': `type.googleapis.com/${source.inAny}`,
        ...Object(json),
      }));
    case 'google.protobuf.Duration':
      return duration;
    case 'google.protobuf.Timestamp':
      return timestamp;
    case 'google.protobuf.Value':
      return anything;
    case 'google.protobuf.Struct':
      return fc.dictionary(text, anything, { maxKeys: 3 });
    case 'google.protobuf.ListValue':
      return fc.array(anything, { maxLength: 3 });
  }
  const { fields } = source.catalog.get(name);
  if (name.startsWith('google.protobuf.')) {
    const [field] = fields;
    return field ? valueJson(source, field.type, depth) : fc.constant({});
  }
  const groups = new Map<string, Field[]>();
  for (const field of fields) {
    const key = field.oneof ?? field.name;
    groups.set(key, [...(groups.get(key) ?? []), field]);
  }
  // Of each group one member, or none; deep down only what ends there.
  const members = [...groups.values()].map(group => {
    const shallow = depth > 0 ? group : group.filter(field => field.type.kind !== 'message');
    if (shallow.length === 0) return fc.constant<[string, unknown][]>([]);
    return fc.oneof(fc.constant<[string, unknown][]>([]), ...shallow.map(field => memberJson(source, field, depth)));
  });
  return fc.tuple(...members).map(all => Object.fromEntries(all.flat()));
}

function memberJson(source: Source, field: Field, depth: number): fc.Arbitrary<[string, unknown][]> {
  const one = valueJson(source, field.type, depth - 1);
  const content =
    field.form === 'one'
      ? one
      : field.form === 'list'
        ? fc.array(one, { maxLength: 3 })
        : fc.dictionary(field.form.key === 'string' ? text : fc.nat().map(String), one, { maxKeys: 3 });
  return fc
    .tuple(fc.constantFrom(field.name, field.jsonName), content)
    .map(([name, value]): [string, unknown][] => [[name, value]]);
}

function valueJson(source: Source, type: ValueType, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'scalar':
      return scalars[type.scalar];
    case 'enum':
      return fc.oneof(
        fc.constantFrom(...type.of.numbers.keys()),
        fc.constantFrom(...type.of.numbers.values()),
        fc.integer({ min: -5, max: 2_000 }),
      );
    case 'message':
      return messageJson(source, type.name, depth);
  }
}

/** Valid JSON of a message, by its full name. */
export function validJson(source: Source, message: string): fc.Arbitrary<unknown> {
  return messageJson(source, message, 2);
}
