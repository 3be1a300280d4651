import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { clusterType, endpointType, listenerType, secretType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { body, CoreHarness, type HarnessClient } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 0) || 300;
const nodes = ['a', 'b', 'c'] as const;
const types: readonly TypeUrl[] = [clusterType, endpointType, listenerType, secretType];
const names = ['x', 'y'] as const;

type Command =
  | { readonly kind: 'come'; readonly node: number; readonly isSotw: boolean }
  | { readonly kind: 'ask'; readonly client: number; readonly type: number; readonly isNamed: boolean }
  | { readonly kind: 'answer'; readonly client: number; readonly type: number; readonly isRefused: boolean }
  | { readonly kind: 'leave'; readonly client: number }
  | { readonly kind: 'push'; readonly node: number; readonly type: number; readonly payload: number }
  | { readonly kind: 'remove'; readonly node: number; readonly type: number; readonly name: number }
  | { readonly kind: 'cut'; readonly node: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart' };

const index = (of: readonly unknown[]) => fc.nat({ max: of.length - 1 });
const client = fc.nat({ max: 5 });
const commands: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('come' as const), node: index(nodes), isSotw: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('ask' as const), client, type: index(types), isNamed: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('answer' as const), client, type: index(types), isRefused: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), client }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      node: index(nodes),
      type: index(types),
      payload: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      node: index(nodes),
      type: index(types),
      name: index(names),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), node: index(nodes) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(150, 1_500, 61_000, 400_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

/** Bodies say whose they are, by the name of another node that no body of it has. */
const ownBody = (typeUrl: TypeUrl, node: string, name: string, payload: number): Buffer =>
  Buffer.concat([body(typeUrl, name, payload), Buffer.from([0x9a, 0x06, 1 + node.length]), Buffer.from(`!${node}`)]);

const isPartial = (typeUrl: TypeUrl): boolean => typeUrl === endpointType || typeUrl === secretType;

interface Party {
  readonly client: HarnessClient;
  readonly node: string;
}

/** Plays the commands; after each, what every client was sent is looked through. Returns how many resources that were. */
function play(all: readonly Command[], settings: ConstructorParameters<typeof CoreHarness>[0]): number {
  let seen = 0;
  let disk = new MemoryDisk();
  let harness = new CoreHarness(settings, disk);
  let parties: Party[] = [];
  const last = new Map<string, string>();
  for (const command of all) {
    switch (command.kind) {
      case 'come': {
        if (parties.length >= 6) break;
        const node = nodes[command.node] ?? 'a';
        const one = harness.client(command.isSotw ? 'sotw' : 'delta', node);
        parties.push({ node, client: one });
        // Whoever comes asks at once, as a real client.
        for (const typeUrl of types) one.send({ typeUrl, names: isPartial(typeUrl) ? [...names] : [] });
        break;
      }
      case 'ask': {
        const party = parties[command.client];
        const typeUrl = types[command.type] ?? clusterType;
        const isNamed = command.isNamed || isPartial(typeUrl);
        party?.client.send({ typeUrl, names: isNamed ? [...names] : [] });
        break;
      }
      case 'answer': {
        const typeUrl = types[command.type] ?? clusterType;
        const nonce = last.get(`${command.client} ${typeUrl}`);
        const error = command.isRefused ? 'refused' : undefined;
        if (nonce !== undefined) parties[command.client]?.client.send({ typeUrl, nonce, error, names: [...names] });
        break;
      }
      case 'leave':
        parties[command.client]?.client.leave();
        parties = parties.filter((_, at) => at !== command.client);
        last.clear();
        break;
      case 'push':
      case 'remove': {
        const node = nodes[command.node] ?? 'a';
        const typeUrl = types[command.type] ?? clusterType;
        const upstream = harness.upstreamOf(node);
        if (!upstream) break;
        if (command.kind === 'remove') harness.respond(typeUrl, { removed: [names[command.name] ?? 'x'] }, upstream);
        else {
          const version = `${node}${command.payload}`;
          const resources = names.map(name => ({ name, version, body: ownBody(typeUrl, node, name, command.payload) }));
          harness.respond(typeUrl, { resources, version }, upstream);
        }
        break;
      }
      case 'cut':
        harness.cut(harness.upstreamOf(nodes[command.node] ?? 'a')?.streamId);
        break;
      case 'wait':
        harness.advance(command.ms);
        break;
      case 'restart':
        disk = disk.copy();
        harness = new CoreHarness(settings, disk);
        parties = [];
        last.clear();
        break;
    }
    for (const [at, { client: one, node }] of parties.entries()) {
      for (const message of one.inbox.splice(0)) {
        last.set(`${at} ${message.typeUrl}`, message.nonce);
        for (const { name, body: bytes } of message.resources) {
          seen++;
          assert.ok(bytes.includes(`!${node}`), `R67: ${node} was sent '${name}' of another node`);
        }
      }
    }
    assert.ok(harness.upstreamIds().length <= nodes.length);
  }
  return seen;
}

describe('identities', () => {
  const many = fc.array(commands, { minLength: 20, maxLength: 80, size: 'max' });
  const short = { nodeLingerMs: 60_000, lingerMs: 5_000, nodesMax: 2 };

  const cases = [
    [
      'R67 R65: stream-per-node: nobody is ever sent what another node was given, also after restarts',
      { nodeSharing: 'stream-per-node' },
    ],
    [
      'R67 R65: shared by a part of the node: nobody is sent what a node that differs in it was given',
      { nodeSharing: 'shared', shareBy: ['id'] },
    ],
    ['R67: refuse: one node after the other, and each its own', { nodeSharing: 'refuse' }],
  ] as const;

  for (const [title, settings] of cases) {
    test(title, () => {
      let seen = 0;
      const holds = fc.property(many, all => {
        seen += play(all, { ...short, ...settings });
      });
      fc.assert(holds, { numRuns: runs });
      assert.ok(seen > 5 * runs, `${seen} resources were looked at`);
    });
  }
});
