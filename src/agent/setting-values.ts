import { type Address, formatAddress, parseAddress } from '../xds/address.ts';

/** The value, or a sentence that says what is wrong with the text. */
export type Parsed<T> = { readonly value: T } | { readonly error: string };

/** Addresses with commas between them, none twice, except for port 0, which is another port each time. */
export function addresses(text: string): Parsed<readonly Address[]> {
  const value: Address[] = [];
  for (const part of text.split(',')) {
    const parsed = parseAddress(part.trim());
    if ('error' in parsed) return { error: parsed.error };
    const written = formatAddress(parsed);
    if (parsed.kind === 'unix' || parsed.port !== 0) {
      if (value.some(one => formatAddress(one) === written)) return { error: `names ${written} twice` };
    }
    value.push(parsed);
  }
  return { value };
}

/** Pairs such as `authority=host:port` with commas between them: addresses by authority, in their order. */
export function authorities(text: string): Parsed<ReadonlyMap<string, readonly Address[]>> {
  const value = new Map<string, Address[]>();
  for (const part of text === '' ? [] : text.split(',')) {
    const [, name = '', target = ''] = /^([^=/?#\s]+)=(.+)$/.exec(part.trim()) ?? [];
    if (name === '') return { error: `must be authority=address, not '${part.trim()}'` };
    const parsed = parseAddress(target);
    if ('error' in parsed) return { error: `names for ${name} an address that cannot be used: ${parsed.error}` };
    const held = value.get(name);
    if (held) held.push(parsed);
    else value.set(name, [parsed]);
  }
  return { value };
}

/** Pairs such as `name=value` with commas between them, in the form of HTTP/2 headers. */
export function headers(text: string): Parsed<ReadonlyMap<string, string>> {
  const value = new Map<string, string>();
  for (const part of text === '' ? [] : text.split(',')) {
    const [, name = '', content = ''] = /^\s*([^=\s]+)=(.*)$/.exec(part) ?? [];
    const header = name.toLowerCase();
    if (!/^[0-9a-z_.-]+$/.test(header)) return { error: 'must be name=value, the name of letters, digits, -, _ and .' };
    if (header === 'authorization')
      return { error: 'must not hold authorization; a token belongs into the file of --upstream-token-file' };
    if (header.endsWith('-bin'))
      return { error: `must not hold ${header}: values of headers that end in -bin are binary` };
    if (/^grpc-|^te$|^content-type$|^user-agent$/.test(header))
      return { error: `must not hold ${header}, which is gRPC’s own` };
    if (!/^[\x20-\x7e]*$/.test(content)) return { error: `has a value for ${header} that no header can have` };
    if (value.has(header)) return { error: `has ${header} twice` };
    value.set(header, content);
  }
  return { value };
}

/** Any text but none. */
export function nonEmpty(text: string): Parsed<string> {
  return text === '' ? { error: 'is empty' } : { value: text };
}

/** A reader of one of a few words. */
export function oneOf<const T extends string>(...values: readonly T[]): (text: string) => Parsed<T> {
  return text => {
    const value = values.find(one => one === text);
    return value === undefined ? { error: `must be one of ${values.join(', ')}` } : { value };
  };
}

/** A whole number from 1 to `max`, in digits. */
export function wholeNumber(text: string, max: number): Parsed<number> {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return { value };
  return { error: `must be a whole number from 1 to ${max}` };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, '': 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time such as `500ms`, `10s` or plain milliseconds; in ms, from `min` to `max`. */
export function duration(text: string, min: number, max: number): Parsed<number> {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text);
  const unit = unitMs[match?.[2] ?? 'none'];
  if (!match || unit === undefined) return { error: 'is no time such as 500ms, 10s or 1m' };
  const value = Math.round(Number(match[1]) * unit);
  return value >= min && value <= max ? { value } : { error: `must be from ${min} ms to ${max} ms` };
}

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};
const sizeMax = 2 ** 31 - 1;

/** A size such as `64kB`, `16MiB` or plain bytes; in bytes, from 1 to what one buffer can hold. */
export function size(text: string): Parsed<number> {
  const match = /^(\d+)(kB|MB|GB|KiB|MiB|GiB|)$/.exec(text);
  const unit = unitBytes[match?.[2] ?? 'none'];
  if (!match || unit === undefined) return { error: 'is no size such as 4096, 64kB or 16MiB' };
  const value = Number(match[1]) * unit;
  return value >= 1 && value <= sizeMax ? { value } : { error: `must be from 1 byte to ${sizeMax} bytes` };
}

/** Heading of a group of settings, in the order of the reference. */
export type SettingGroup =
  | 'Control plane'
  | 'Addresses'
  | 'Identity'
  | 'Isolation'
  | 'Cache'
  | 'Behaviour'
  | 'Limits'
  | 'Protocol timing'
  | 'Logs';

/** One row of the settings table but for its key and its group. */
export interface SettingRow<T> {
  /** What stands for the value in the help, such as `ADDR`. */
  readonly placeholder: string;
  readonly help: string;
  /** When to change it; empty where the help says it all. */
  readonly when: string;
  /** The default as a user would write it; undefined when there is none. */
  readonly fallback: string | undefined;
  readonly parse: (text: string) => Parsed<T>;
  /** A list: the flag may be repeated, the value may have commas. */
  readonly isList?: boolean;
  /** A secret: neither a flag nor in the file, and never quoted. */
  readonly isEnvironmentOnly?: boolean;
}
