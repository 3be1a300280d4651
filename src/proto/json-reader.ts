import { nearest } from '../xds/nearest.ts';
import type { Catalog, Field, MessageType, Scalar, ValueType } from './catalog.ts';
import { isObject, type Refusal, readEnum, readKey, readScalar, shown } from './json-scalars.ts';
import { parseDuration, parseTimestamp, type Seconds } from './json-times.ts';
import { isBare, isSpecial, messageJson } from './json-writer.ts';
import { type Content, makeMessage, type ProtoKey, type ProtoMessage, type ProtoValue } from './proto-message.ts';
import { decodeMessage, encodeMessage } from './wire.ts';

/** What is wrong with an object, and where. */
export interface SpecProblem {
  /** Names of fields and indices of lists, from the outside inwards, such as `['spec', 'http', 0, 'route']`. */
  readonly path: readonly (string | number)[];
  /** A sentence whose subject is what stands at the path. */
  readonly text: string;
}

/** Objects and lists inside of each other. */
const nestingMax = 100;
/** Values in all; what stands behind an alias of YAML counts each time. */
const valuesMax = 500_000;
/** Largest message, in encoded bytes. Kubernetes takes no object that is larger than 1.5 MiB. */
const bytesMax = 2 * 1024 * 1024;
/** Problems that are told of one object. */
const problemsMax = 20;

/**
 * Encodes what JSON or YAML says of a message, by the rules of proto3's JSON form and with what istiod takes beside (istio.io/api's
 * `*_json.gen.go`: durations as Go writes them). Equal content gives equal bytes, which are those that Go writes.
 *
 * It is stricter than istiod where istiod would guess or leave something out: a field that is not known, one that is written in both of
 * its forms, and two members of one oneof are problems.
 *
 * @param message full name in the catalog, such as `istio.networking.v1alpha3.VirtualService`
 * @param value plain data; `null` and undefined are the empty message
 * @returns the bytes, or everything that is wrong. It never throws.
 */
export function encodeJson(
  catalog: Catalog,
  message: string,
  value: unknown,
): Buffer | { readonly problems: readonly SpecProblem[] } {
  const type = catalog.find(message);
  if (!type) return { problems: [{ path: [], text: `is of a message that is not known, ${message}` }] };
  const reader = new JsonReader();
  const isEmpty = value === undefined || (value === null && message !== valueName);
  const read = isEmpty ? makeMessage(type, new Map()) : reader.message(type, value, []);
  if (reader.problems.length > 0 || !read) return { problems: reader.problems };
  const bytes = encodeMessage(read);
  if (bytes.length <= bytesMax) return bytes;
  return {
    problems: [{ path: [], text: `has ${bytes.length} bytes when encoded, ${bytesMax} are allowed; split it` }],
  };
}

/**
 * Decodes a message to plain data in proto3's JSON form: names in camelCase, defaults left out, fields that are not known left out.
 * An `Any` of a type that is not known is `{ '@type', value }` with its bytes in base64.
 *
 * @param message full name, as for {@link encodeJson}
 * @returns undefined when the message is not known, or the bytes are none. It never throws.
 */
export function decodeJson(catalog: Catalog, message: string, bytes: Buffer): unknown {
  const type = catalog.find(message);
  const read = type && decodeMessage(type, bytes);
  return read && 'type' in read ? messageJson(read) : undefined;
}

/** A problem in one sentence, such as `spec.http[0].route must be a list, not an object`. */
export function problemText({ path, text }: SpecProblem): string {
  let where = '';
  for (const step of path) {
    if (typeof step === 'number') where += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) where += `['${step.slice(0, 100)}']`;
    else where += where === '' ? step : `.${step}`;
  }
  return where === '' ? `it ${text}` : `${where} ${text}`;
}

type Path = readonly (string | number)[];

const anyName = 'google.protobuf.Any';
const valueName = 'google.protobuf.Value';

/** Reads one object, and notes what is wrong with it. A part that is wrong is undefined; the rest is read all the same, for its problems. */
class JsonReader {
  readonly problems: SpecProblem[] = [];
  #values = 0;
  #textLength = 0;
  #isOver = false;

  message(type: MessageType, value: unknown, path: Path): ProtoMessage | undefined {
    if (!this.#goesOn(value, path)) return undefined;
    switch (type.name) {
      case anyName:
        return this.#any(type, value, path);
      case valueName:
        return this.#anything(type, value, path);
      case 'google.protobuf.Duration':
        return this.#time(type, value, path, parseDuration, "a duration such as '1.5s' or '1h30m'");
      case 'google.protobuf.Timestamp':
        return this.#time(type, value, path, parseTimestamp, "a time such as '2026-01-31T08:00:00Z'");
      default:
        return isBare(type) ? this.#bare(type, value, path) : this.#object(type, value, path);
    }
  }

  #tell(path: Path, text: string): undefined {
    if (this.problems.length < problemsMax) this.problems.push({ path, text });
    else this.#isOver = true;
  }

  /** Counts a value. @returns false when there is no reading on, which is told once */
  #goesOn(value: unknown, path: Path): boolean {
    this.#values += 1;
    if (typeof value === 'string') this.#textLength += value.length;
    if (this.#isOver) return false;
    let tooMuch: string | undefined;
    if (path.length > nestingMax) tooMuch = `stands inside of more than ${nestingMax} objects and lists`;
    else if (this.#values > valuesMax) tooMuch = `is one value more than the ${valuesMax} that are allowed`;
    else if (this.#textLength > bytesMax) tooMuch = `makes for more text than the ${bytesMax} bytes that are allowed`;
    if (tooMuch === undefined) return true;
    this.#tell(path, `${tooMuch}; split the object`);
    this.#isOver = true;
    return false;
  }

  #object(type: MessageType, value: unknown, path: Path): ProtoMessage | undefined {
    if (!isObject(value)) return this.#tell(path, `must be an object, not ${shown(value)}`);
    const fields = new Map<Field, Content>();
    const members = new Map<string, string>();
    for (const [key, inside] of Object.entries(value)) {
      if (this.#isOver) return undefined;
      const at = [...path, key];
      const field = type.byName.get(key);
      if (!field) {
        this.#unknown(type, at, key);
        continue;
      }
      // For every field of Istio's null is as good as nothing; null as a value stands in lists and maps only.
      if (inside === undefined || inside === null) continue;
      if (fields.has(field)) {
        this.#tell(at, `is given twice, as ${field.name} and as ${field.jsonName}`);
        continue;
      }
      const member = field.oneof === undefined ? undefined : members.get(field.oneof);
      if (member !== undefined) this.#tell(at, `stands beside ${member}, and only one of the two may be there`);
      if (field.oneof !== undefined) members.set(field.oneof, key);
      const content = this.#content(field, inside, at);
      if (content) fields.set(field, content);
    }
    return { type, fields };
  }

  #unknown(type: MessageType, path: Path, key: string): void {
    const near = nearest(
      key,
      type.fields.map(field => field.jsonName),
    );
    const message = type.name.slice(type.name.lastIndexOf('.') + 1);
    this.#tell(path, `is no field of ${message}${near === undefined ? '' : `; did you mean ${near}?`}`);
  }

  #content(field: Field, value: unknown, path: Path): Content | undefined {
    if (field.form === 'one') {
      const one = this.#value(field.type, value, path);
      return one === undefined ? undefined : { form: 'one', value: one };
    }
    if (!this.#goesOn(value, path)) return undefined;
    if (field.form === 'list') return this.#list(field.type, value, path);
    return this.#map(field.form.key, field.type, value, path);
  }

  #list(type: ValueType, value: unknown, path: Path): Content | undefined {
    if (!Array.isArray(value)) return this.#tell(path, `must be a list, not ${shown(value)}`);
    const values: ProtoValue[] = [];
    for (let index = 0; index < value.length && !this.#isOver; index++) {
      const one = this.#value(type, value[index], [...path, index]);
      if (one !== undefined) values.push(one);
    }
    return { form: 'list', values };
  }

  #map(key: Scalar, type: ValueType, value: unknown, path: Path): Content | undefined {
    if (!isObject(value)) return this.#tell(path, `must be an object, not ${shown(value)}`);
    const entries = new Map<ProtoKey, ProtoValue>();
    for (const [text, inside] of Object.entries(value)) {
      if (this.#isOver) return undefined;
      const at = [...path, text];
      const read = readKey(key, text);
      this.#textLength += text.length;
      if (typeof read === 'object') {
        this.#tell(at, `has a key that ${read.refused}`);
        continue;
      }
      const one = this.#value(type, inside, at);
      if (one !== undefined) entries.set(read, one);
    }
    return { form: 'map', entries };
  }

  #value(type: ValueType, value: unknown, path: Path): ProtoValue | undefined {
    if (type.kind === 'message') return this.message(type.of, value, path);
    if (!this.#goesOn(value, path)) return undefined;
    const read = type.kind === 'enum' ? readEnum(type.of, value) : readScalar(type.scalar, value);
    return isRefusal(read) ? this.#tell(path, read.refused) : read;
  }

  /** A message that is written as what its only field holds. */
  #bare(type: MessageType, value: unknown, path: Path): ProtoMessage | undefined {
    const field = type.fields[0];
    const content = field && this.#content(field, value, path);
    return content && { type, fields: new Map([[field, content]]) };
  }

  #time(
    type: MessageType,
    value: unknown,
    path: Path,
    parse: (text: string) => Seconds | undefined,
    wanted: string,
  ): ProtoMessage | undefined {
    const time = typeof value === 'string' ? parse(value) : undefined;
    if (!time) return this.#tell(path, `must be ${wanted}, not ${shown(value)}`);
    return makeMessage(
      type,
      new Map<number, ProtoValue>([
        [1, time.seconds],
        [2, time.nanos],
      ]),
    );
  }

  /** A `google.protobuf.Value`, which holds whatever JSON can say. */
  #anything(type: MessageType, value: unknown, path: Path): ProtoMessage | undefined {
    const holding = (number: number, held: ProtoValue | undefined) =>
      held === undefined ? undefined : makeMessage(type, new Map([[number, held]]));
    if (value === null) return holding(1, 0);
    if (typeof value === 'boolean') return holding(4, value);
    if (typeof value === 'string') return holding(3, this.#checked(readScalar('string', value), path));
    if (typeof value === 'bigint') return holding(2, Number(value));
    if (typeof value === 'number' && Number.isFinite(value)) return holding(2, value);
    if (Array.isArray(value)) return holding(6, this.#bare(type.catalog.get('google.protobuf.ListValue'), value, path));
    if (isObject(value)) return holding(5, this.#bare(type.catalog.get('google.protobuf.Struct'), value, path));
    return this.#tell(path, `must be what JSON can say, not ${shown(value)}`);
  }

  #checked(read: ProtoValue | Refusal, path: Path): ProtoValue | undefined {
    return isRefusal(read) ? this.#tell(path, read.refused) : read;
  }

  #any(type: MessageType, value: unknown, path: Path): ProtoMessage | undefined {
    if (!isObject(value)) return this.#tell(path, `must be an object with @type, not ${shown(value)}`);
    const { '@type': typeUrl, ...rest } = value;
    if (typeof typeUrl !== 'string') return this.#tell([...path, '@type'], `must be a type URL, not ${shown(typeUrl)}`);
    const bytes = this.#bodyOfAny(type, typeUrl, rest, path);
    return (
      bytes &&
      makeMessage(
        type,
        new Map<number, ProtoValue>([
          [1, typeUrl],
          [2, bytes],
        ]),
      )
    );
  }

  #bodyOfAny(
    type: MessageType,
    typeUrl: string,
    rest: Readonly<Record<string, unknown>>,
    path: Path,
  ): Buffer | undefined {
    const known = type.catalog.find(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
    if (known && !isSpecial(known)) {
      const inside = this.#object(known, rest, path);
      return inside && encodeMessage(inside);
    }
    const other = Object.keys(rest).find(key => key !== 'value');
    const message = known?.name ?? typeUrl;
    if (other !== undefined)
      return this.#tell([...path, other], `must not be there; all of ${message} stands in value`);
    const at = [...path, 'value'];
    if (known) {
      const inside = this.message(known, rest['value'], at);
      return inside && encodeMessage(inside);
    }
    const bytes = this.#value({ kind: 'scalar', scalar: 'bytes' }, rest['value'], at);
    return Buffer.isBuffer(bytes) ? bytes : undefined;
  }
}

const isRefusal = (read: ProtoValue | Refusal): read is Refusal => typeof read === 'object' && 'refused' in read;
