import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentReport } from '../../src/admin/reports.ts';
import type { Bodies } from '../../src/demo/control-plane.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { type HostPort, routeAllTo, typeUrls } from '../../src/demo/resources.ts';
import { encodeWorld } from '../../src/demo/world.ts';
import { startTestAgent } from '../support/agent.ts';
import { Gate } from '../support/gate.ts';
import { GoControlPlane } from '../support/go-control-plane.ts';
import { MeshClient } from '../support/mesh-client.ts';
import { buildPeers } from '../support/peers.ts';
import { SeededRandom } from '../support/random.ts';

// go-control-plane behind a network that fails: what the agent's clients hear of it.

const peers = buildPeers();
const program = 'program' in peers ? peers.program : '';
const skip = 'missing' in peers ? peers.missing : false;
const waitMs = 20_000;
const outages = Number(process.env['OUTAGES'] ?? 6);
const seed = Number(process.env['OUTAGES_SEED'] ?? 1);

/** A mesh whose services come, change and go. */
class Mesh {
  /** Everything that was ever published, oldest first. */
  readonly history: Bodies[] = [];
  readonly #plane: GoControlPlane;
  readonly #random: SeededRandom;
  readonly #services = new Map<string, { connectTimeoutMs: number; endpoints: HostPort[] }>();
  readonly #listeners = new Set<string>();
  #serial = 0;

  constructor(plane: GoControlPlane, random: SeededRandom, services: number) {
    this.#plane = plane;
    this.#random = random;
    for (let at = 0; at < services; at++) this.#set(`service-${at}`);
  }

  get newest(): Bodies {
    const newest = this.history.at(-1);
    assert.ok(newest);
    return newest;
  }

  /** Changes a few things, and publishes them as one snapshot. The first service is never removed: routes lead to it. */
  async change(): Promise<void> {
    const names = [...this.#services.keys()];
    for (let count = 1 + this.#random.below(4); count > 0; count--) {
      const name = this.#random.pick(names) ?? '';
      const dice = this.#random.below(10);
      if (dice < 2 && name !== 'service-0' && this.#services.size > 5) this.#services.delete(name);
      else if (dice < 4) this.#set(`service-${this.#random.below(40)}`);
      else if (dice < 5) this.#listeners.add(`more-${this.#random.below(5)}`);
      else if (dice < 6) this.#listeners.delete(`more-${this.#random.below(5)}`);
      else this.#set(name);
    }
    await this.publish();
  }

  async publish(): Promise<void> {
    const routes = routeAllTo('service-0');
    this.history.push(encodeWorld({ clusters: this.#services, routes, moreListeners: [...this.#listeners] }));
    await this.#plane.publish(this.newest);
  }

  /** Whether a name was away at any moment since. */
  wasAway(typeUrl: string, name: string, since: number): boolean {
    return this.history.slice(since).some(one => !one.get(typeUrl)?.has(name));
  }

  #set(name: string): void {
    const port = 10_000 + (++this.#serial % 50_000);
    this.#services.set(name, { connectTimeoutMs: 1_000 + this.#serial, endpoints: [{ host: '127.0.0.1', port }] });
  }
}

/** What clients must never be told. */
class Watch {
  readonly complaints: string[] = [];
  readonly #mesh: Mesh;
  readonly #since = new Map<MeshClient, Map<string, number>>();

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  readonly changed = (client: MeshClient, removed: readonly string[], typeUrl: string): void => {
    const since = this.#since.get(client) ?? new Map<string, number>();
    this.#since.set(client, since);
    for (const name of removed) {
      const from = since.get(`${typeUrl} ${name}`) ?? 0;
      if (!this.#mesh.wasAway(typeUrl, name, from)) this.complaints.push(`removed without cause: ${typeUrl} ${name}`);
      since.delete(`${typeUrl} ${name}`);
    }
    const now = this.#mesh.history.length - 1;
    for (const name of client.of(typeUrl).keys()) {
      const key = `${typeUrl} ${name}`;
      if (!since.has(key)) since.set(key, now);
    }
    if (client.of(typeUrl).size === 0) this.complaints.push(`emptied: ${typeUrl}`);
  };
}

/** Whether a body is that of another encoder: Go writes fields in another order. */
const isSame = (one: Buffer | undefined, other: Buffer): boolean =>
  one !== undefined && Buffer.from(one).sort().equals(Buffer.from(other).sort());

/** Whether a client holds exactly what is published. */
function isLevel(client: MeshClient, published: Bodies): boolean {
  return Object.values(typeUrls).every(typeUrl => {
    const [held, wanted] = [client.of(typeUrl), published.get(typeUrl) ?? new Map<string, Buffer>()];
    return held.size === wanted.size && [...wanted].every(([name, body]) => isSame(held.get(name), body));
  });
}

async function begin(
  t: TestContext,
  services: number,
  flags: Readonly<Record<string, string>>,
  planeFlags: readonly string[] = [],
) {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  const plane = new GoControlPlane(t, program, ['--ads=false', ...planeFlags]);
  const gate = await Gate.before(t, await plane.address());
  const random = new SeededRandom(seed);
  const mesh = new Mesh(plane, random, services);
  await mesh.publish();
  const started = await startTestAgent(t, gate.address, flags);
  const watch = new Watch(mesh);
  const clients = Array.from({ length: 10 }, (_, at) => {
    const variant = at % 2 === 0 ? 'delta' : 'sotw';
    return new MeshClient(t, started.address, variant, 'node', watch.changed);
  });
  const level = () =>
    waitFor('all clients to hold what is published', waitMs, () =>
      clients.every(client => isLevel(client, mesh.newest)) ? true : undefined,
    );
  await level();
  const report = async () => (await (await fetch(`${started.adminUrl}/status`)).json()) as AgentReport;
  const isCurrent = () =>
    waitFor('everything to be current', waitMs, async () => {
      const { upstreams, types } = await report();
      return upstreams.every(one => one.phase === 'open') && types.every(type => type.isCurrent) ? true : undefined;
    });
  return { ...started, plane, gate, random, mesh, watch, clients, level, isCurrent, report };
}

describe('go-control-plane behind a network that fails', { skip, concurrency: 1 }, () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R72 R107: ${outages} outages with updates meanwhile: no client is cut off, emptied, or told a removal that was none (${variant})`, async t => {
      const flags = { 'upstream-variant': variant, 'reconnect-base': '50ms', 'reconnect-max': '500ms' };
      const { plane, gate, random, mesh, watch, clients, level } = await begin(t, 25, flags);
      for (let round = 0; round < outages; round++) {
        const lengthMs = 50 * 100 ** random.next();
        const changes = random.below(4);
        gate.cut();
        for (let left = changes; left > 0; left--) {
          await sleep(lengthMs / (changes + 1));
          await mesh.change();
        }
        await sleep(lengthMs / (changes + 1));
        await gate.open();
        if (random.chance(0.5)) await mesh.change();
        await level();
        await mesh.change();
        await level();
        assert.deepEqual(watch.complaints, [], `outage ${round} of ${Math.round(lengthMs)} ms`);
      }
      for (const { raw } of clients) assert.equal(raw.status, undefined);
      const { open, nacks } = await plane.counts();
      assert.deepEqual([open, nacks], [1, null]);
      assert.ok(mesh.history.length > outages);
    });
  }

  test('R107 R108: back with nothing changed: less than a thousandth is sent again, and clients hear nothing', async t => {
    const { gate, clients, report, isCurrent } = await begin(t, 2_000, {});
    await isCurrent();
    const whole = (await report()).load.upstreamBytes;
    const messages = clients.map(client => client.messages);
    gate.cut();
    await waitFor('the loss', waitMs, async () =>
      (await report()).upstreams.some(one => one.phase !== 'open') ? true : undefined,
    );
    await gate.open();
    await isCurrent();
    const again = (await report()).load.upstreamBytes - whole;
    assert.ok(again < whole / 1_000, `${again} of ${whole} bytes were sent again`);
    assert.deepEqual(
      clients.map(client => client.messages),
      messages,
    );
  });

  for (const [what, flags, planeFlags] of [
    ['GOAWAY at the age that the server allows', {}, ['--max-age=1500ms', '--grace=1s']],
    ['streams opened anew as planned', { 'upstream-recycle': '1500ms' }, []],
  ] as const) {
    test(`${what}: no error, no client hears of it, and updates pass all the time`, async t => {
      const { plane, mesh, watch, clients, level, isCurrent, log } = await begin(t, 25, flags, planeFlags);
      await isCurrent();
      const messages = clients.map(client => client.messages);
      const { streams: before } = await plane.counts();
      const renewed = (count: number) =>
        waitFor(`${count} more streams`, waitMs, async () =>
          (await plane.counts()).streams >= before + count ? true : undefined,
        );
      await renewed(3);
      assert.deepEqual(
        clients.map(client => client.messages),
        messages,
      );
      for (let round = 0; round < 20; round++) {
        await mesh.change();
        await level();
      }
      await renewed(5);
      assert.deepEqual(watch.complaints, []);
      assert.deepEqual(
        log.filter(line => /^(warn|error)/.test(line)),
        [],
      );
      for (const { raw } of clients) assert.equal(raw.status, undefined);
      await waitFor('the stream before to be gone', waitMs, async () => (await plane.counts()).open === 1 || undefined);
    });
  }

  test('a connection that loses every packet is found within the time for it, and updates pass again', async t => {
    const flags = { 'upstream-keepalive': '10s', 'upstream-keepalive-timeout': '1s' };
    const { gate, mesh, watch, level, log } = await begin(t, 25, flags);
    gate.loseAll();
    const begunMs = performance.now();
    await mesh.change();
    await waitFor('another connection', waitMs, () => (gate.connections > 1 ? true : undefined));
    const foundMs = performance.now() - begunMs;
    t.diagnostic(`found after ${Math.round(foundMs)} ms`);
    assert.ok(foundMs < 11_500, `found after ${Math.round(foundMs)} ms`);
    await level();
    assert.deepEqual(watch.complaints, []);
    assert.ok(log.some(line => line.startsWith("warn control plane's stream ended")));
  });
});
