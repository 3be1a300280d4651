import { canonicalName } from './resource-name.ts';
import { TagWalk, WireError } from './tag-walk.ts';

// Fields of a Delta `Resource` that Weir reads out of what it passes on untouched.

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

const aliasField = 4;
/** Most aliases of one resource that are looked at; all of them are passed on. */
const aliasesMax = 256;
const none: readonly string[] = [];

/** The aliases among encoded fields of a Delta `Resource` (R18), without what cannot be read. */
export function aliasesIn(extra: Buffer | undefined): readonly string[] {
  if (!extra) return none;
  const aliases: string[] = [];
  try {
    const walk = new TagWalk(extra);
    while (walk.next() && aliases.length < aliasesMax) {
      if (walk.field === aliasField && walk.wireType === 2) aliases.push(canonicalName(walk.text()));
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
  return aliases.length > 0 ? aliases : none;
}
