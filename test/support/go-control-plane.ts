import type { TestContext } from 'node:test';
import type { Bodies } from '../../src/demo/control-plane.ts';
import { LineProcess, textAt } from './line-process.ts';

/** What go-control-plane has counted. */
export interface Counts {
  readonly streams: number;
  readonly open: number;
  readonly nacks: readonly string[] | null;
}

/** A control plane made of go-control-plane's snapshot cache, as a process of its own. The test's end kills it. */
export class GoControlPlane {
  readonly #process: LineProcess;
  #version = 0;

  /**
   * @param program what {@link buildPeers} has built
   * @param flags of its subcommand `control-plane`
   */
  constructor(context: TestContext, program: string, flags: readonly string[] = []) {
    this.#process = new LineProcess(context, 'go-control-plane', [program, 'control-plane', ...flags]);
  }

  async address(): Promise<string> {
    return await this.#process.line('its address', line => textAt(line, 'listening'));
  }

  /** Serves these, and nothing else. */
  async publish(world: Bodies): Promise<void> {
    const resources = Object.fromEntries(
      [...world].map(([typeUrl, bodies]) => [typeUrl, [...bodies.values()].map(body => body.toString('base64'))]),
    );
    this.#version += 1;
    await this.#ask({ version: `v${this.#version}`, resources });
  }

  async counts(): Promise<Counts> {
    return await this.#ask({});
  }

  async #ask(command: unknown): Promise<Counts> {
    const from = this.#process.lines.length;
    this.#process.send(command);
    const isCounts = (line: unknown) =>
      line !== null && typeof line === 'object' && 'streams' in line ? line : undefined;
    return (await this.#process.line('its counts', isCounts, from)) as Counts; // Written by `counts` in controlplane.go.
  }
}
