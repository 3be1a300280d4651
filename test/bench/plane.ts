import type { Stop } from './bounded-run.ts';
import { Child } from './child.ts';
import type { ControlPlaneCommand, ControlPlaneConfig, ControlPlaneReport } from './lean-control-plane.ts';

/** The control plane of a run, a process of its own. */
export type Plane = Child<ControlPlaneCommand, ControlPlaneReport>;

/** Starts it and waits until it listens. @returns it, and its host:port */
export async function startPlane(
  config: ControlPlaneConfig,
  stops: Stop[],
): Promise<{ readonly plane: Plane; readonly address: string }> {
  const plane: Plane = new Child('the control plane', 'lean-control-plane.ts', config);
  stops.push(() => plane.kill());
  const { port } = await plane.report('listening');
  return { plane, address: `127.0.0.1:${port}` };
}
