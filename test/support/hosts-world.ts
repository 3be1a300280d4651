import { httpListener, onDemandFilter, routesByHost, types, virtualHost } from './resource-bodies.ts';
import { ScriptedWorld } from './scripted-world.ts';

/** A world whose listener takes its virtual hosts from VHDS, on demand if need be; `known.test` is there from the start. */
export function hostsWorld(envoy: string): Promise<ScriptedWorld> {
  return ScriptedWorld.begin({ envoy, variant: 'delta' }, ({ plane }) => {
    const listener = httpListener('web', { routes: { by: 'rds', name: 'rc' }, filters: [onDemandFilter(false)] });
    plane.put(types.listener, { web: listener });
    plane.put(types.routes, { rc: routesByHost('rc') });
    plane.put(types.virtualHost, { 'rc/known': virtualHost('rc/known', ['known.test'], { answer: 'known' }) });
  });
}
