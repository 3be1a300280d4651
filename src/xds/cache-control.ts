import { TagWalk, WireError } from './tag-walk.ts';

/** Number of `cache_control` in `envoy.service.discovery.v3.Resource`; its field 1 is `do_not_cache`. */
const cacheControlField = 7;

/** Whether encoded fields of a Delta `Resource` forbid proxies to cache it (R26). */
export function forbidsCaching(extra: Buffer): boolean {
  try {
    const walk = new TagWalk(extra);
    while (walk.next()) {
      if (walk.field !== cacheControlField) continue;
      const control = walk.message();
      while (control.next()) if (control.field === 1 && control.wireType === 0 && control.varint !== 0) return true;
    }
    return false;
  } catch (error) {
    // A wish that cannot be read is taken for the stricter one.
    if (error instanceof WireError) return true;
    throw error;
  }
}
