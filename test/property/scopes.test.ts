import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { clientConfigs } from '../../src/agent/client-status.ts';
import { scopeRows } from '../../src/agent/scope-settings.ts';
import { Scopes } from '../../src/agent/scopes.ts';
import type { Peer } from '../../src/local-ads/peer.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl } from '../../src/xds/types.ts';
import { body, CoreHarness, type HarnessClient } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { maySee, type Rule, rootNamespace as root, type Who } from '../support/scope-oracle.ts';

// Isolation by namespace against an oracle written apart from src/agent/scopes.ts: random rules, clients, pushes, restarts and outages.

const runs = Number(process.env['FUZZ_RUNS'] ?? 0) || 350;
const virtualService = 'networking.istio.io/v1/VirtualService' as TypeUrl;
const gateway = 'networking.istio.io/v1/Gateway' as TypeUrl;
const types = [virtualService, gateway, clusterType] as const;
const namespaces = ['a', 'b', 'team-x', 'team-y', root] as const;
const mcpNames = namespaces.flatMap(namespace => [`${namespace}/one`, `${namespace}/two`]);
const namesOfType = (typeUrl: TypeUrl): readonly string[] => (typeUrl === clusterType ? ['c1', 'c2'] : mcpNames);

const some = <T>(of: readonly T[]) => fc.subarray([...of], { minLength: 1 });
const rule: fc.Arbitrary<Rule> = fc.record(
  {
    listeners: some(['unix:/l1', 'unix:/l2']),
    clientNamespaces: some(['a', 'b', 'team-*', root]),
    clientNames: some(['spiffe://td/ns/*/sa/x', 'spiffe://td/ns/a/sa/x']),
    types: some(['VirtualService', 'networking.istio.io/v1/Gateway', 'networking.istio.io/*', 'CDS']),
    namespaces: some(['$own', '$root', 'a', 'b', 'team-x', 'team-*', '*']),
  },
  { requiredKeys: [] },
);
const ruleSet = fc.option(fc.array(rule, { minLength: 1, maxLength: 4 }), { nil: undefined, freq: 4 });

type Command =
  | {
      readonly kind: 'come';
      readonly namespace: number;
      readonly isSotw: boolean;
      readonly listener: number;
      readonly proof: number;
    }
  | { readonly kind: 'ask'; readonly client: number; readonly type: number; readonly names: readonly string[] }
  | { readonly kind: 'leave'; readonly client: number }
  | { readonly kind: 'push'; readonly type: number; readonly names: readonly string[]; readonly payload: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'outage'; readonly isUp: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart'; readonly rules: readonly Rule[] | undefined; readonly isOther: boolean };

const index = (of: readonly unknown[]) => fc.nat({ max: of.length - 1 });
const kind = <K extends string>(of: K) => fc.constant(of);
const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('come'),
      namespace: index([...namespaces, 'none']),
      isSotw: fc.boolean(),
      listener: fc.nat({ max: 1 }),
      proof: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('ask'),
      client: fc.nat({ max: 4 }),
      type: index(types),
      names: fc.subarray(mcpNames),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('leave'), client: fc.nat({ max: 4 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind('push'),
      type: index(types),
      names: fc.subarray(mcpNames),
      payload: fc.nat({ max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('cut') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('outage'), isUp: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('wait'), ms: fc.constantFrom(150, 1_500, 61_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('restart'), rules: ruleSet, isOther: fc.boolean() }) },
);

/** A client of the test, with what it holds. */
interface Party {
  readonly who: Who;
  readonly client: HarnessClient;
  readonly isSotw: boolean;
  /** What it asked for last, by type; empty is everything. */
  readonly asked: Map<TypeUrl, readonly string[]>;
  readonly held: Map<TypeUrl, Map<string, number>>;
  readonly refused: Map<TypeUrl, Set<string>>;
}

type Mode = 'refuse' | 'shared' | 'stream-per-node';

/** One run of the test. */
class Play {
  readonly #mode: Mode;
  #rules: readonly Rule[] | undefined;
  #disk = new MemoryDisk();
  #harness: CoreHarness;
  #parties: Party[] = [];
  readonly #world = new Map<TypeUrl, Map<string, number>>(types.map(typeUrl => [typeUrl, new Map()]));
  looked = 0;
  compared = 0;

  constructor(mode: Mode, rules: readonly Rule[] | undefined) {
    this.#mode = mode;
    this.#rules = rules;
    this.#harness = this.#start();
  }

  #start(): CoreHarness {
    const parsed = scopeRows.scopes.parse(this.#rules ? JSON.stringify(this.#rules) : '');
    assert.ok('value' in parsed, 'error' in parsed ? parsed.error : '');
    const scopes = new Scopes({ rules: parsed.value, rootNamespace: root });
    return new CoreHarness(
      { nodeSharing: this.#mode, variant: 'sotw', scopes, lingerMs: 5_000, guard: 'off' },
      this.#disk,
    );
  }

  do(command: Command): void {
    const harness = this.#harness;
    switch (command.kind) {
      case 'come':
        this.#come(command);
        break;
      case 'ask': {
        const party = this.#parties[command.client];
        const typeUrl = types[command.type] ?? gateway;
        if (!party || party.client.closed || party.asked.has(typeUrl)) break;
        const names = typeUrl === clusterType ? [] : command.names;
        party.asked.set(typeUrl, names);
        party.client.send({ typeUrl, names });
        break;
      }
      case 'leave':
        this.#parties.splice(command.client, 1)[0]?.client.leave();
        break;
      case 'push': {
        const typeUrl = types[command.type] ?? gateway;
        const names = typeUrl === clusterType ? namesOfType(typeUrl) : command.names;
        this.#world.set(typeUrl, new Map(names.map(name => [name, command.payload])));
        this.#push(typeUrl);
        break;
      }
      case 'cut':
        for (const streamId of harness.upstreamIds()) harness.cut(streamId);
        break;
      case 'outage':
        harness.isUpstreamUp = command.isUp;
        if (!command.isUp) for (const streamId of harness.upstreamIds()) harness.cut(streamId);
        break;
      case 'wait':
        harness.advance(command.ms);
        break;
      case 'restart': {
        const { isUpstreamUp } = harness;
        this.#disk = this.#disk.copy();
        if (command.isOther) this.#rules = command.rules;
        this.#harness = this.#start();
        this.#harness.isUpstreamUp = isUpstreamUp;
        this.#parties = [];
        break;
      }
    }
    this.#look();
  }

  #come({ namespace: at, isSotw, listener, proof }: Command & { kind: 'come' }): void {
    if (this.#parties.length >= 5) return;
    const namespace = namespaces[at];
    const proven = [undefined, undefined, namespace, 'a'][proof];
    const peer: Peer = {
      listener: listener === 0 ? 'unix:/l1' : 'unix:/l2',
      names: proven === undefined ? [] : [`spiffe://td/ns/${proven}/sa/x`],
      way: 'private',
    };
    const id =
      namespace === undefined ? 'plain-id' : `sidecar~10.0.0.${at}~pod.${namespace}~${namespace}.svc.cluster.local`;
    const client = this.#harness.client(isSotw ? 'sotw' : 'delta', id, peer);
    const party = { who: { namespace, peer }, client, isSotw, asked: new Map(), held: new Map(), refused: new Map() };
    this.#parties.push(party);
    // In `refuse` another node than the present one is turned away at its first request.
    party.asked.set(virtualService, []);
    client.send({ typeUrl: virtualService, names: [] });
    if (client.closed) this.#parties.pop();
  }

  /** The control plane sends the whole list of a type on every stream; the agent passes over what it has not asked for there. */
  #push(typeUrl: TypeUrl): void {
    const all = [...(this.#world.get(typeUrl) ?? [])];
    for (const streamId of this.#harness.upstreamIds()) {
      const resources = all.map(([name, payload]) => ({ name, version: '', body: body(typeUrl, name, payload) }));
      if (this.#harness.upstreamIds().includes(streamId))
        this.#harness.respond(typeUrl, { resources }, { streamId, variant: 'sotw', address: 'test:1' });
    }
  }

  /** Looks through everything that anybody was given, and what is on the disk. */
  #look(): void {
    for (const { who, client, isSotw, held, refused, asked } of this.#parties) {
      for (const message of client.inbox.splice(0)) {
        const typeUrl = message.typeUrl as TypeUrl; // It was asked for by this very text.
        const before = held.get(typeUrl);
        const now = isSotw || !before ? new Map<string, number>() : before;
        for (const { name, body: bytes } of message.resources) {
          this.looked++;
          const real = isSotw ? (namesOfType(typeUrl).find(one => bytes.includes(one)) ?? name) : name;
          assert.ok(maySee(this.#rules, who, typeUrl, real), `${JSON.stringify(who)} was sent ${typeUrl} ${real}`);
          now.set(real, bytes.at(-1) ?? 0);
        }
        for (const name of message.removed) {
          const isAsked = asked.get(typeUrl)?.includes(name);
          assert.ok(
            isAsked || maySee(this.#rules, who, typeUrl, name),
            `the end of ${name} is told to nobody who may not see it`,
          );
          now.delete(name);
        }
        held.set(typeUrl, now);
        for (const { name, code } of message.errors ?? []) {
          assert.equal(code, grpcCode.permissionDenied);
          assert.ok(!maySee(this.#rules, who, typeUrl, name), `${name} is refused for a reason`);
          refused.set(typeUrl, (refused.get(typeUrl) ?? new Set()).add(name));
        }
        if (!client.closed) client.ack(message, isSotw ? asked.get(typeUrl) : []);
      }
      this.#lookAtStatus(who.peer);
    }
    this.#lookAtDisk();
  }

  /** What a peer is told of the clients by CSDS: nothing that it would not be given itself. */
  #lookAtStatus(peer: Peer): void {
    const parsed = scopeRows.scopes.parse(this.#rules ? JSON.stringify(this.#rules) : '');
    assert.ok('value' in parsed);
    const scopes = new Scopes({ rules: parsed.value, rootNamespace: root });
    const source = {
      clients: () => this.#harness.core.clients(),
      refusal: () => undefined,
      isSensitive: () => false,
      scopeOf: scopes.ofClient.bind(scopes),
    };
    for (const { nodeId, resources } of clientConfigs(source, peer, { excludesBodies: false, isAsked: () => true })) {
      const namespace = /~pod\.([^~]+)~/.exec(nodeId)?.[1];
      for (const { typeUrl, name } of resources())
        assert.ok(
          maySee(this.#rules, { namespace, peer }, typeUrl as TypeUrl, name),
          `CSDS shows ${name} of ${nodeId}`,
        );
    }
  }

  /** Each name on the disk is one that some client of its node may see. */
  #lookAtDisk(): void {
    const stored = this.#disk.newest();
    if (!stored || this.#mode === 'shared') return;
    const namespace = /~pod\.([^~]+)~/.exec(stored.node.toString('latin1'))?.[1];
    // What listeners and proven names decide is not the view's: it keeps what any client of its node may see.
    const rules = this.#rules?.map(({ types: of, namespaces: granted, clientNamespaces }) => ({
      ...(of && { types: of }),
      ...(granted && { namespaces: granted }),
      ...(clientNamespaces && { clientNamespaces }),
    }));
    const who: Who = { namespace, peer: { listener: '', names: [], way: 'private' } };
    // Only views that the present process has taken up are its business.
    if (![...this.#harness.core.views()].some(view => view.key === stored.viewKey)) return;
    for (const { typeUrl, resources } of stored.types) {
      for (const { name } of resources) {
        assert.ok(maySee(rules, who, typeUrl as TypeUrl, name), `${name} of ${typeUrl} is on the disk of ${namespace}`);
      }
    }
  }

  /** With the control plane up and all said, everybody has exactly what it may have of what it asked for. */
  end(): void {
    const harness = this.#harness;
    harness.isUpstreamUp = true;
    for (let round = 0; round < 3; round++) {
      harness.advance(31_000);
      for (const typeUrl of types) this.#push(typeUrl);
      this.#look();
    }
    for (const { who, client, asked, held, refused } of this.#parties) {
      if (client.closed) continue;
      for (const [typeUrl, names] of asked) {
        if (typeUrl === clusterType && !maySee(this.#rules, who, typeUrl, 'c1')) {
          assert.ok(!held.has(typeUrl), 'an Envoy that may not have clusters keeps those that it has');
          continue;
        }
        const world = this.#world.get(typeUrl) ?? new Map<string, number>();
        const wanted = names.length === 0 ? [...world.keys()] : names.filter(name => world.has(name));
        const expected = wanted.filter(name => maySee(this.#rules, who, typeUrl, name)).sort();
        assert.deepEqual(
          [...(held.get(typeUrl)?.keys() ?? [])].sort(),
          expected,
          `${typeUrl} of ${JSON.stringify(who)}`,
        );
        assert.ok(held.has(typeUrl) || names.length > 0, 'every wildcard is answered, also by nothing');
        const denied = names.filter(name => !maySee(this.#rules, who, typeUrl, name)).sort();
        assert.deepEqual([...(refused.get(typeUrl) ?? [])].sort(), denied, 'explicit names are refused with a reason');
        this.compared++;
      }
    }
  }
}

describe('scopes', () => {
  const many = fc.array(commands, { minLength: 15, maxLength: 50, size: 'max' });
  for (const mode of ['refuse', 'shared', 'stream-per-node'] as const) {
    test(`S2 S3 S4: nobody is ever given what no scope opens to it, nor keeps it on disk, and everybody all of the rest (${mode})`, () => {
      let looked = 0;
      let compared = 0;
      const holds = fc.property(ruleSet, many, (rules, all) => {
        const play = new Play(mode, rules);
        for (const command of all) play.do(command);
        play.end();
        looked += play.looked;
        compared += play.compared;
      });
      fc.assert(holds, { numRuns: runs });
      assert.ok(looked > runs && compared > runs, `${looked} resources and ${compared} sets were looked at`);
    });
  }
});
