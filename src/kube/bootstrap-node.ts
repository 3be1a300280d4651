import { type Data, objectOf } from './data.ts';

/** Who an Envoy or a gRPC client is, as its bootstrap says; empty texts count as not given. */
export interface NodeOptions {
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly nodeRegion?: string | undefined;
  readonly nodeZone?: string | undefined;
  readonly nodeSubZone?: string | undefined;
  readonly metadata?: Data | undefined;
  /** Labels of the pod, which become `metadata.LABELS`, as Istio's control plane looks for them. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** The Node of a bootstrap (`envoy.config.core.v3.Node` as JSON). */
export function bootstrapNode(options: NodeOptions): Data {
  const { nodeId, nodeCluster, nodeRegion, nodeZone, nodeSubZone, metadata, labels } = options;
  const locality = given({ region: nodeRegion, zone: nodeZone, sub_zone: nodeSubZone });
  const all = { ...metadata, ...(labels === undefined ? {} : { LABELS: labels }) };
  return {
    id: nodeId,
    ...given({ cluster: nodeCluster }),
    ...(Object.keys(all).length === 0 ? {} : { metadata: all }),
    ...(Object.keys(locality).length === 0 ? {} : { locality }),
  };
}

/**
 * A Node with what another one says beside it. What the first says holds, piece by piece: somebody has written it down on purpose.
 */
export function mergedNode(own: Data | undefined, added: Data): Data {
  const [mine, theirs] = [objectOf(own?.['metadata']), objectOf(added['metadata'])];
  return {
    ...added,
    ...own,
    ...(mine && theirs ? { metadata: { ...theirs, ...mine } } : {}),
  };
}

/**
 * Labels in the form of the downward API: `key="value"`, a line each, the value quoted as in Go.
 *
 * @returns the labels, or a sentence that says which line is none
 */
export function parseLabels(
  text: string,
): { readonly labels: Readonly<Record<string, string>> } | { readonly error: string } {
  const labels = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const [, key = '', quoted = ''] = /^([^=\s]+)=("(?:[^"\\]|\\.)*")$/.exec(line) ?? [];
    const value = unquoted(quoted);
    if (key === '' || value === undefined) return { error: `line ${index + 1} is no label key="value"` };
    labels.set(key, value);
  }
  return { labels: Object.fromEntries(labels) };
}

/** The values that labels can have have nothing that Go quotes otherwise than JSON. */
function unquoted(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function given(texts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(texts).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return Object.fromEntries(entries);
}
