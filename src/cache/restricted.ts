import { sensitivityOf } from './sensitivity.ts';
import type { StoredContent, StoredResource, StoredType } from './stored.ts';

/**
 * What of a type another node may have (R69): neither Secrets nor anything with a private key in it, unless they are to be carried sealed, and never what
 * is marked `do_not_cache` (R26). A set that loses something by it is not known as complete.
 */
export function restricted(type: StoredType, mayHoldSecrets: boolean): StoredType {
  const mayCarry = (content: StoredContent): boolean => {
    const sensitivity = sensitivityOf(type.typeUrl, content);
    return sensitivity === undefined || (mayHoldSecrets && sensitivity !== 'do-not-cache');
  };
  const resources = type.resources.filter(mayCarry).map(resource => {
    const { good } = resource;
    return good === undefined || mayCarry(good) ? resource : { ...resource, good: undefined };
  });
  return withResources(type, resources);
}

/** The type with fewer resources. */
export function withResources(type: StoredType, resources: readonly StoredResource[]): StoredType {
  return { ...type, resources, isKnown: type.isKnown && resources.length === type.resources.length };
}
