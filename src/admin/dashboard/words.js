/**
 * A time span in one unit, or two where the first alone says too little.
 *
 * @param {number} ms
 * @returns {string}
 */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 10) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  if (hours < 48) return `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

/**
 * How long something took.
 *
 * @param {number} ms
 * @returns {string}
 */
export function latency(ms) {
  if (ms < 10) return `${Number(ms.toPrecision(2))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${Number((ms / 1000).toPrecision(2))} s`;
}

/**
 * A size.
 *
 * @param {number} bytes
 * @returns {string}
 */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${Number((bytes / 1000).toPrecision(3))} kB`;
  if (bytes < 999_500_000) return `${Number((bytes / 1_000_000).toPrecision(3))} MB`;
  return `${Number((bytes / 1_000_000_000).toPrecision(3))} GB`;
}

/**
 * A number with its thousands apart.
 *
 * @param {number} value
 * @returns {string}
 */
export function count(value) {
  return value.toLocaleString('en').replaceAll(',', ' ');
}

/**
 * So many of something.
 *
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 * @returns {string}
 */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/**
 * A time of day as the reader's clock has it; with the date when it was not today.
 *
 * @param {number} wallMs
 * @param {number} nowWallMs
 * @returns {string}
 */
export function clockTime(wallMs, nowWallMs) {
  const at = new Date(wallMs);
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
  return new Date(nowWallMs).toDateString() === at.toDateString()
    ? time
    : `${at.getMonth() + 1}/${at.getDate()} ${time}`;
}

/**
 * The same without seconds, for an axis.
 *
 * @param {number} wallMs
 * @returns {string}
 */
export function shortTime(wallMs) {
  const at = new Date(wallMs);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, '0');
}

/**
 * A text in one line of bounded length.
 *
 * @param {string} text
 * @param {number} [lengthMax]
 * @returns {string}
 */
export function oneLine(text, lengthMax = 600) {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > lengthMax ? `${line.slice(0, lengthMax - 1)}…` : line;
}

/**
 * What types are called here: short, and different from each other.
 *
 * @param {Iterable<{ readonly typeUrl: string, readonly shortName: string }>} types
 * @returns {Map<string, string>} by type URL
 */
export function labelsOf(types) {
  /** @type {Map<string, string>} */
  const labels = new Map();
  /** @type {Map<string, number>} */
  const uses = new Map();
  for (const { typeUrl, shortName } of types) {
    if (labels.has(typeUrl)) continue;
    const label = shortName.includes('/') ? shortName.slice(shortName.lastIndexOf('/') + 1) : shortName;
    labels.set(typeUrl, label);
    uses.set(label, (uses.get(label) ?? 0) + 1);
  }
  for (const [typeUrl, label] of labels) if ((uses.get(label) ?? 0) > 1) labels.set(typeUrl, typeUrl);
  return labels;
}
