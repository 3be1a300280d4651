import type { TypeUrl } from '../xds/types.ts';
import type { Protection, RowProtector } from './disk-rows.ts';
import type { RowSealer, SecretsMode } from './secrets.ts';
import { sensitivityOf } from './sensitivity.ts';
import type { StoredResource } from './stored.ts';

/**
 * Decides for each resource what reaches the disk, by the mode and what it holds (R104).
 *
 * @param sealer for `encrypted`; with another mode it still opens what was sealed before
 */
export function createProtector(mode: SecretsMode, sealer: RowSealer | undefined): RowProtector {
  return {
    mayExpose: mode === 'plain',
    protect(typeUrl: TypeUrl, resource: StoredResource): Protection {
      const kinds = [resource, resource.good].map(content => content && sensitivityOf(typeUrl, content));
      if (kinds.includes('do-not-cache')) return { kind: 'withhold', why: 'it is marked do_not_cache' };
      const kind = kinds.find(one => one !== undefined);
      if (kind === undefined) return { kind: 'plain' };
      if (mode === 'plain') return { kind: 'expose' };
      if (mode === 'encrypted' && sealer) return { kind: 'seal' };
      return { kind: 'withhold', why: kind === 'secret' ? 'it is a secret' : 'it holds a private key' };
    },
    seal(plain, context) {
      if (!sealer) throw new Error('there is no key to seal with');
      return sealer.seal(plain, context);
    },
    open: (sealed, context) => sealer?.open(sealed, context) ?? { error: 'no key' },
  };
}
