import { mergedNode } from './bootstrap-node.ts';
import { type Data, type Draft, isEqual, objectOf, objectsIn, textIn } from './data.ts';
import { adsClusterName } from './envoy-bootstrap.ts';

/** A bootstrap of one's own with Weir in it. */
export interface MergedBootstrap {
  readonly merged: Data;
  /** What of its own has another meaning now, or was left as it is although Weir could serve it. */
  readonly notes: readonly string[];
}

/** The name that the agent's cluster has where a cluster of one's own has that of the convention. */
const otherClusterName = 'xds-grpc-weir';

/**
 * Puts the parts of {@link envoyBootstrap} into an Envoy bootstrap of one's own. All of its own stays: clusters, listeners, node, admin, runtime, stats;
 * what takes its place is the server of ADS, and ADS as the source of clusters and listeners, unless those come from files.
 *
 * Both spellings of protobuf's JSON are understood, `static_resources` and `staticResources`.
 *
 * @param own what somebody has written, as JSON
 */
export function mergeBootstrap(own: Data, ours: Data): MergedBootstrap {
  const notes: string[] = [];
  const merged: Draft = { ...own };
  merged['node'] = mergedNode(objectOf(own['node']), objectOf(ours['node']) ?? {});
  const admin = objectOf(own['admin']);
  if (admin === undefined || Object.keys(admin).length === 0) merged['admin'] = ours['admin'];
  else if (!isEqual(admin, ours['admin'])) {
    notes.push('its admin address stays; in a pod name it by weir.dev/envoy-admin, for the drain at the end');
  }
  const statics = keyOf(own, 'static_resources');
  const { resources, clusterName } = mergedStatics(objectOf(own[statics]), objectOf(ours['static_resources']), notes);
  merged[statics] = resources;
  const dynamics = keyOf(own, 'dynamic_resources');
  merged[dynamics] = mergedDynamics(objectOf(own[dynamics]), objectOf(ours['dynamic_resources']), clusterName, notes);
  return { merged, notes };
}

function mergedStatics(
  own: Data | undefined,
  ours: Data | undefined,
  notes: string[],
): { readonly resources: Data; readonly clusterName: string } {
  const clusters = objectsIn(own?.['clusters']);
  const [cluster = {}] = objectsIn(ours?.['clusters']);
  const named = (name: string): Data => ({
    ...cluster,
    name,
    load_assignment: { ...objectOf(cluster['load_assignment']), cluster_name: name },
  });
  // Merged before: the same again.
  const existing = [adsClusterName, otherClusterName].find(name => clusters.some(one => isEqual(one, named(name))));
  const isTaken = clusters.some(one => textIn(one, 'name') === adsClusterName);
  const clusterName = existing ?? (isTaken ? otherClusterName : adsClusterName);
  if (existing === undefined && isTaken) {
    notes.push(`there is a cluster ${adsClusterName} already, so that of Weir is called ${otherClusterName}`);
  }
  const others = clusters.filter(one => existing !== undefined || textIn(one, 'name') !== clusterName);
  const listeners = objectsIn(own?.['listeners']);
  const added = objectsIn(ours?.['listeners']);
  for (const one of listeners) {
    if (!added.some(other => textIn(one, 'name') === textIn(other, 'name') && !isEqual(one, other))) continue;
    notes.push(`its listener ${textIn(one, 'name')} gives way to that of --ready-listen`);
  }
  const kept = listeners.filter(one => !added.some(other => textIn(one, 'name') === textIn(other, 'name')));
  const isListed = added.every(one => listeners.some(other => isEqual(one, other)));
  return {
    clusterName,
    resources: {
      ...own,
      ...(isListed ? {} : { listeners: [...kept, ...added] }),
      clusters: existing === undefined ? [...others, named(clusterName)] : clusters,
    },
  };
}

function mergedDynamics(own: Data | undefined, ours: Data | undefined, clusterName: string, notes: string[]): Data {
  const dynamics: Draft = { ...own };
  const ads = keyOf(own, 'ads_config');
  dynamics[ads] = mergedAds(objectOf(own?.[ads]), objectOf(ours?.['ads_config']) ?? {}, clusterName, notes);
  for (const name of ['cds_config', 'lds_config']) {
    const key = keyOf(own, name);
    const mine = objectOf(own?.[key]);
    if (mine?.['path'] !== undefined || mine?.[keyOf(mine, 'path_config_source')] !== undefined) {
      notes.push(`${name} reads a file, and goes on doing so: Weir serves it nothing`);
      continue;
    }
    if (mine && mine['ads'] === undefined)
      notes.push(`${name} comes over ADS from Weir now, not from a source of its own`);
    const source = objectOf(ours?.[name]) ?? {};
    // With a timeout of its own somebody has said how long to wait; all else is the source itself.
    const timeout = keyOf(mine, 'initial_fetch_timeout');
    const merged: Data = {
      ...source,
      ...(mine?.[timeout] === undefined ? {} : { initial_fetch_timeout: mine[timeout] }),
    };
    dynamics[key] = mine && isSameSource(mine, merged) ? mine : merged;
  }
  return dynamics;
}

/** Whether a source of configuration says the same in its own spelling. */
function isSameSource(own: Data, other: Data): boolean {
  return isEqual(Object.fromEntries(Object.entries(own).map(([key, value]) => [snakeCase(key), value])), other);
}

function mergedAds(own: Data | undefined, ours: Data, clusterName: string, notes: string[]): Data {
  const ads: Draft = { ...own };
  const set = (name: string, value: unknown): void => {
    ads[keyOf(own, name)] = value;
  };
  const variant = own?.[keyOf(own, 'api_type')];
  // Which variant is spoken was chosen; Weir speaks both.
  set('api_type', variant === 'GRPC' || variant === 'DELTA_GRPC' ? variant : ours['api_type']);
  set('transport_api_version', ours['transport_api_version']);
  set('set_node_on_first_message_only', ours['set_node_on_first_message_only']);
  const [service = {}] = objectsIn(ours['grpc_services']);
  const envoyGrpc = { ...objectOf(service['envoy_grpc']), cluster_name: clusterName };
  const services = keyOf(own, 'grpc_services');
  const replaced = objectsIn(own?.[services])
    .map(one => objectOf(one[keyOf(one, 'envoy_grpc')]))
    .map(one => textIn(one, keyOf(one, 'cluster_name')) ?? 'a server of its own')
    .filter(name => name !== clusterName);
  if (replaced.length > 0)
    notes.push(`ADS comes from Weir now, not from ${replaced.join(', ')}; name that to weir run --upstream`);
  // What is said along with each stream, and how long it may take, is not the server's.
  const [before] = objectsIn(own?.[services]);
  const kept = Object.entries(before ?? {}).filter(([key]) => /^(timeout|initial_?metadata)$/i.test(key));
  set('grpc_services', [{ ...service, ...Object.fromEntries(kept), envoy_grpc: envoyGrpc }]);
  return ads;
}

/** The key of a field as the object spells it. */
function keyOf(object: Data | undefined, name: string): string {
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return object !== undefined && Object.hasOwn(object, camel) ? camel : name;
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}
