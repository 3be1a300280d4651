/** Seconds and nanoseconds, as `google.protobuf.Duration` and `Timestamp` hold them. */
export interface Seconds {
  readonly seconds: bigint;
  readonly nanos: number;
}

const nanosPerSecond = 1_000_000_000n;
/** Largest duration that protobuf allows, about 10,000 years, in seconds. */
const durationMax = 315_576_000_000n;
const textMax = 200;

const nanosOf: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n, // U+00B5
  μs: 1_000n, // U+03BC
  ms: 1_000_000n,
  s: nanosPerSecond,
  m: 60n * nanosPerSecond,
  h: 3_600n * nanosPerSecond,
};

/**
 * Reads a duration as istiod does: what Go's time.ParseDuration takes, such as `1.5s`, `1h30m` and `500ms`, of which the form of
 * protobuf is one. What is finer than a nanosecond is cut off.
 */
export function parseDuration(text: string): Seconds | undefined {
  if (text.length > textMax) return undefined;
  const [, sign = '', rest = ''] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return { seconds: 0n, nanos: 0 };
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of rest.matchAll(/(\d*)\.?(\d*)([a-z\u00b5\u03bc]+)/g)) {
    const scale = nanosOf[unit] ?? 0n;
    total += BigInt(whole || '0') * scale + (BigInt(fraction || '0') * scale) / 10n ** BigInt(fraction.length);
  }
  if (total / nanosPerSecond > durationMax || (total / nanosPerSecond === durationMax && total % nanosPerSecond > 0n))
    return undefined;
  if (sign === '-') total = -total;
  return { seconds: total / nanosPerSecond, nanos: Number(total % nanosPerSecond) };
}

/** Fractions with 0, 3, 6 or 9 digits, as protobuf writes them. @param nanos not negative */
function fraction(nanos: number): string {
  if (nanos === 0) return '';
  return `.${`${nanos}`.padStart(9, '0').replace(/(?:000){1,2}$/, '')}`;
}

/** The text of a duration, such as `1.500s`. Seconds and nanoseconds of different sign are added up. */
export function formatDuration({ seconds, nanos }: Seconds): string {
  const total = seconds * nanosPerSecond + BigInt(nanos);
  const size = total < 0n ? -total : total;
  return `${total < 0n ? '-' : ''}${size / nanosPerSecond}${fraction(Number(size % nanosPerSecond))}s`;
}

const timestampForm = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(Z|([-+])(\d\d):(\d\d))$/;
/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, between which a timestamp must lie, in seconds. */
const timestampMin = -62_135_596_800;
const timestampMax = 253_402_300_799;

/** Reads a time in RFC 3339, with any offset. What is finer than a nanosecond is cut off. */
export function parseTimestamp(text: string): Seconds | undefined {
  if (text.length > textMax) return undefined;
  const match = timestampForm.exec(text);
  if (!match) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const [offsetHours, offsetMinutes] = [Number(match[10] ?? 0), Number(match[11] ?? 0)];
  if (offsetHours > 23 || offsetMinutes > 59 || hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A day that the month does not have rolls over into another.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const offset = (offsetHours * 3600 + offsetMinutes * 60) * (match[9] === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
  if (seconds < timestampMin || seconds > timestampMax) return undefined;
  return { seconds: BigInt(seconds), nanos: Number((match[7] ?? '').padEnd(9, '0')) };
}

/** The text of a time in UTC; undefined for one that RFC 3339 cannot say. */
export function formatTimestamp({ seconds, nanos }: Seconds): string | undefined {
  if (seconds < timestampMin || seconds > timestampMax || nanos < 0 || nanos >= Number(nanosPerSecond))
    return undefined;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction(nanos)}Z`;
}
