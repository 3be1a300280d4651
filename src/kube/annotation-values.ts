import { oneOf, type Parsed } from '../agent/setting-values.ts';

/** Where the cache of an injected Weir is. */
export type CacheVolume =
  | { readonly kind: 'emptyDir' | 'memory' | 'none' }
  | { readonly kind: 'hostPath'; readonly path: string };

/** Containers that may be named. */
const clientsMax = 64;

/** A quantity as a number of bytes or cores. */
export function amountOf(text: string): number {
  const [, digits = '0', unit = ''] = /^([\d.]+)(\w*)$/.exec(text) ?? [];
  return Number(digits) * (unitAmounts[unit] ?? 1);
}

const unitAmounts: Readonly<Record<string, number>> = {
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A quantity of Kubernetes, such as `10m`, `96Mi` or `0.5`. */
export function quantity(text: string): Parsed<string> {
  const isOne = /^\d{1,12}(\.\d{1,9})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.test(text) && /[1-9]/.test(text);
  return isOne ? { value: text } : { error: 'is no quantity such as 100m, 0.5 or 128Mi' };
}

/** A quantity of memory. Of it there is no thousandth. */
export function memory(text: string): Parsed<string> {
  return text.endsWith('m') ? { error: 'is no quantity of memory such as 128Mi' } : quantity(text);
}

/** A name of a ConfigMap or Secret. */
export function objectName(text: string): Parsed<string> {
  const isOne = text.length <= 253 && /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(text);
  return isOne ? { value: text } : { error: 'is no name of a Kubernetes object' };
}

/** An image, with registry, tag or digest. */
export function imageName(text: string): Parsed<string> {
  return /^[a-zA-Z0-9][-a-zA-Z0-9._/:@]{0,511}$/.test(text) ? { value: text } : { error: 'is no name of an image' };
}

/** Names of containers with commas between them. */
export function names(text: string): Parsed<readonly string[]> {
  const value = text.split(',').map(one => one.trim());
  if (value.length > clientsMax) return { error: `names more than ${clientsMax} containers` };
  const wrong = value.find(one => !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(one));
  return wrong === undefined ? { value } : { error: `names '${wrong}', which is no name of a container` };
}

/** Which bootstraps are written: `envoy`, `grpc`, both, or `none`. */
export function bootstraps(text: string): Parsed<readonly ('envoy' | 'grpc')[]> {
  if (text === 'none') return { value: [] };
  const value: ('envoy' | 'grpc')[] = [];
  for (const part of text.split(',')) {
    const one = oneOf('envoy', 'grpc')(part.trim());
    if ('error' in one) return { error: 'must be envoy, grpc, both with a comma, or none' };
    if (!value.includes(one.value)) value.push(one.value);
  }
  return { value };
}

/** Where the cache is: `emptyDir`, `memory`, `none` or `hostPath:/PATH`. */
export function cacheVolume(text: string): Parsed<CacheVolume> {
  const path = /^hostPath:(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) {
    if (path.split('/').includes('..')) return { error: 'must be a path without ..' };
    return { value: { kind: 'hostPath', path } };
  }
  const kind = oneOf('emptyDir', 'memory', 'none')(text);
  return 'error' in kind
    ? { error: 'must be emptyDir, memory, none or hostPath:/PATH' }
    : { value: { kind: kind.value } };
}
