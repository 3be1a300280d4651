import type { EnumType, Scalar } from './catalog.ts';
import type { ProtoValue } from './proto-message.ts';

/** Why a value is not taken. */
export interface Refusal {
  readonly refused: string;
}

const refuse = (refused: string): Refusal => ({ refused });

const ranges = {
  int32: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  uint32: { min: 0n, max: 2n ** 32n - 1n },
  int64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  uint64: { min: 0n, max: 2n ** 64n - 1n },
} as const;

const shownMax = 60;

/** What a value is, for people: its kind, and for short texts and numbers the value. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the text '${value.length > shownMax ? `${value.slice(0, shownMax).toWellFormed()}…` : value.toWellFormed()}'`;
    case 'number':
    case 'bigint':
      return `the number ${value}`;
    case 'boolean':
      return `${value}`;
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return 'a list';
      return isObject(value) ? 'an object' : `a ${Object.prototype.toString.call(value).slice(8, -1)}`;
    case 'undefined':
      return 'nothing';
    default:
      return `a ${typeof value}`;
  }
}

/** Whether a value is what JSON calls an object; neither a list nor an instance of a class is. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Reads a scalar out of JSON. */
export function readScalar(scalar: Scalar, value: unknown): ProtoValue | Refusal {
  switch (scalar) {
    case 'string':
      return readString(value);
    case 'bool':
      return typeof value === 'boolean' ? value : refuse(`must be true or false, not ${shown(value)}`);
    case 'bytes':
      return readBytes(value);
    case 'double':
      return readDouble(value);
    case 'float':
      return readFloat(value);
    default:
      return readInteger(scalar, value);
  }
}

function readString(value: unknown): string | Refusal {
  if (typeof value === 'string')
    return value.isWellFormed() ? value : refuse('must be text in Unicode; half of a character stands alone');
  const isQuotable = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
  return refuse(`must be text, not ${shown(value)}${isQuotable ? '; put it in quotes' : ''}`);
}

/** Base64 of either alphabet, padded or not. */
function readBytes(value: unknown): Buffer | Refusal {
  if (typeof value !== 'string') return refuse(`must be text in base64, not ${shown(value)}`);
  const bare = value.replace(/={0,2}$/, '');
  const isBase64 = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)$/.test(bare) && bare.length % 4 !== 1;
  const isPadded = bare.length === value.length || value.length % 4 === 0;
  return isBase64 && isPadded ? Buffer.from(bare, 'base64') : refuse('is no base64');
}

const notFinite: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

const numberText = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const numberTextMax = 400;

function readDouble(value: unknown): number | Refusal {
  const named = notFinite.get(value);
  if (named !== undefined) return named;
  const isText = typeof value === 'string' && value.length <= numberTextMax && numberText.test(value);
  if (typeof value !== 'number' && typeof value !== 'bigint' && !isText)
    return refuse(`must be a number, not ${shown(value)}`);
  const number = Number(value);
  return Number.isFinite(number)
    ? number
    : refuse(`must be a finite number, 'NaN', 'Infinity' or '-Infinity', not ${shown(value)}`);
}

/** A number that a float can hold, as the nearest one that it does hold. */
function readFloat(value: unknown): number | Refusal {
  const number = readDouble(value);
  if (typeof number !== 'number' || !Number.isFinite(number) || Number.isFinite(Math.fround(number))) return number;
  return refuse(`must be a number that a float can hold, not ${shown(value)}`);
}

function readInteger(scalar: keyof typeof ranges, value: unknown): number | bigint | Refusal {
  const number = wholeNumber(value);
  if (typeof number === 'object') return number;
  const { min, max } = ranges[scalar];
  if (number < min || number > max) return refuse(`must be from ${min} to ${max}, not ${number}`);
  return scalar === 'int64' || scalar === 'uint64' ? number : Number(number);
}

function wholeNumber(value: unknown): bigint | Refusal {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'string') {
    // No 64-bit number has more digits.
    return /^-?(?:0|[1-9]\d{0,19})$/.test(value)
      ? BigInt(value)
      : refuse(`must be a whole number, not ${shown(value)}`);
  }
  if (typeof value !== 'number') return refuse(`must be a whole number, not ${shown(value)}`);
  if (!Number.isInteger(value)) return refuse(`must be a whole number, not ${value}`);
  if (!Number.isSafeInteger(value)) return refuse(`is too large to be exact as a number; put it in quotes`);
  return BigInt(value);
}

/** Reads an enum: one of its names, or any number. */
export function readEnum(type: EnumType, value: unknown): number | Refusal {
  if (typeof value === 'string') {
    const number = type.numbers.get(value);
    return number ?? refuse(`must be one of ${[...type.numbers.keys()].join(', ')}, not ${shown(value)}`);
  }
  if (typeof value !== 'number')
    return refuse(`must be one of ${[...type.numbers.keys()].join(', ')}, not ${shown(value)}`);
  const number = readInteger('int32', value);
  return typeof number === 'bigint' ? Number(number) : number;
}

/** The key of a map, which JSON writes as text. */
export function readKey(scalar: Scalar, text: string): string | number | Refusal {
  const key = readScalar(scalar, text);
  if (typeof key === 'string' || typeof key === 'number') return key;
  return typeof key === 'object' && 'refused' in key ? key : refuse('is no key');
}

/** A scalar as JSON has it. */
export function scalarJson(value: Exclude<ProtoValue, object> | Buffer): unknown {
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value === 'number' && !Number.isFinite(value)) return `${value}`;
  return Buffer.isBuffer(value) ? value.toString('base64') : value;
}
