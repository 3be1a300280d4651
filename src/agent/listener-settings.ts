import type { TlsPaths } from '../net/tls-files.ts';
import { type Address, formatAddress, parseAddress } from '../xds/address.ts';
import { type AllowRule, parseRule } from './allow-list.ts';
import { listOf, SettingReader } from './setting-reader.ts';
import type { Parsed } from './setting-values.ts';

/** One local address with what is particular about it. */
export interface ListenerSettings {
  readonly address: Address;
  /** `ca` is the bundle that client certificates are checked by; without it none is asked for. */
  readonly tls: TlsPaths | undefined;
  /** Clients have to bring a Kubernetes token that the API server vouches for. */
  readonly tokenReview: boolean;
  /** Who may use which node ids; empty for everybody all. */
  readonly allow: readonly AllowRule[];
}

/** How a listener is called in messages and rules: its address as configured. */
export function listenerName({ address }: ListenerSettings): string {
  return formatAddress(address);
}

const rulesMax = 10_000;

/** Listeners as JSON objects with commas between them, the form that a list in the file has, too. */
export function listeners(text: string): Parsed<readonly ListenerSettings[]> {
  if (text === '') return { value: [] };
  const list = listOf(text);
  if (!list) {
    return {
      error: 'is no list of JSON objects such as {"address": "unix:/run/weir/a.sock", "allow": [{"ids": ["a"]}]}',
    };
  }
  const value: ListenerSettings[] = [];
  const problems: string[] = [];
  for (const [index, one] of list.entries()) {
    const reader = new SettingReader(`listener ${index + 1}`, problems);
    const listener = readListener(reader, one);
    if (listener) value.push(listener);
  }
  return problems.length > 0 ? { error: problems.join('; ') } : { value };
}

function readListener(reader: SettingReader, value: unknown): ListenerSettings | undefined {
  const record = reader.record(value, ['address', 'tls', 'tokenReview', 'allow']);
  if (!record) return undefined;
  const text = reader.text(record, 'address');
  const address = text === undefined ? undefined : parseAddress(text);
  if (address === undefined || 'error' in address) {
    if (address) reader.complain(`address ${address.error}`);
    return undefined;
  }
  const { tokenReview = false } = record;
  if (typeof tokenReview !== 'boolean') reader.complain('tokenReview must be true or false');
  const tls = record['tls'] === undefined ? undefined : readTls(reader, record['tls']);
  return { address, tls, tokenReview: tokenReview === true, allow: readRules(reader, record['allow']) };
}

function readTls(reader: SettingReader, value: unknown): TlsPaths | undefined {
  const record = reader.record(value, ['cert', 'key', 'clientCa']);
  if (!record) return undefined;
  const cert = reader.text(record, 'cert');
  const key = reader.text(record, 'key');
  const ca = record['clientCa'] === undefined ? undefined : reader.text(record, 'clientCa');
  return cert === undefined || key === undefined ? undefined : { cert, key, ca };
}

function readRules(reader: SettingReader, value: unknown): AllowRule[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length === 0 || value.length > rulesMax) {
    reader.complain(`allow must be a list of 1 to ${rulesMax} rules such as {"name": "spiffe://…", "ids": ["…"]}`);
    return [];
  }
  return value.flatMap((one: unknown) => {
    const record = reader.record(one, ['name', 'ids']);
    if (!record) return [];
    const { ids } = record;
    const name = record['name'] === undefined ? undefined : reader.text(record, 'name');
    if (!Array.isArray(ids) || ids.length === 0 || !ids.every(id => typeof id === 'string' && id !== '')) {
      reader.complain('a rule of allow needs ids, a list of node ids or patterns');
      return [];
    }
    const rule = parseRule(name, ids);
    if ('error' in rule) {
      reader.complain(`allow: ${rule.error}`);
      return [];
    }
    return [rule];
  });
}
