import { traitsOf } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { decodeTestRequest, decodeTestResponse } from '../support/messages.ts';
import { decodeSim } from './resources.ts';

// Messages of a run in one line each, for the log of a seed.

function short(typeUrl: string): string {
  return traitsOf(typeUrl as TypeUrl).shortName;
}

/** A response, with the serial of each resource. */
export function summary(bytes: Buffer, variant: Variant): string {
  const { typeUrl, nonce, version, resources, removed } = decodeTestResponse(bytes, variant);
  const names = resources.map(one => `${one.name}@${decodeSim(one.body).serial}`).join(' ');
  return `${short(typeUrl)} ${nonce} ${version} [${names}] removed [${removed.join(' ')}]`;
}

/** A request. */
export function said(bytes: Buffer, variant: Variant): string {
  const { typeUrl, nonce, names, unsubscribe, initialVersions, error } = decodeTestRequest(bytes, variant);
  const held = [...initialVersions].map(([name, version]) => `${name}@${version}`).join(' ');
  return `${short(typeUrl)} ${error === undefined ? '' : 'NACK '}${nonce} +[${names.join(' ')}] -[${unsubscribe.join(' ')}] held [${held}]`;
}

/** The node that a request carries; '' without one. */
export function nodeIdIn(bytes: Buffer, variant: Variant): string {
  return decodeTestRequest(bytes, variant).nodeId ?? '';
}
