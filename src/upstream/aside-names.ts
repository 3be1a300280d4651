import type { UpstreamResponse } from '../xds/discovery.ts';
import { aliasesIn } from '../xds/resource-fields.ts';
import { globOf } from '../xds/resource-name.ts';

/** Names besides those of its resources that a response answers: aliases, collections, and names that it has an error for (R18, R24, R33). */
export function* asideNames({ resources, failures }: UpstreamResponse): Generator<string> {
  for (const { name, extra } of resources) {
    const glob = globOf(name);
    if (glob !== undefined) yield glob;
    if (extra !== undefined) yield* aliasesIn(extra);
  }
  for (const { name } of failures) yield name;
}
