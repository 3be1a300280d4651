import assert from 'node:assert/strict';
import type { CoreSettings } from '../../src/agent/core.ts';
import type { Note } from '../../src/agent/events.ts';
import { fieldsOf } from '../../src/demo/proto.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessClient } from './core-harness.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { TestResponse } from './messages.ts';

/** Payload of each resource in a message, by name. */
export type Payloads = Readonly<Record<string, number>>;

/** What a message holds, as the payloads that its bodies were made with. */
export function payloadsOf(message: TestResponse): Payloads {
  const payloads = message.resources.map(({ name, body }) => {
    const payload = fieldsOf(body).find(field => field.number === 60);
    return [name, payload?.value ?? 0] as const;
  });
  return Object.fromEntries(payloads);
}

/** A client that starts now and asks for everything of a type. It answers nothing. */
export function starting(
  harness: CoreHarness,
  variant: Variant = 'delta',
  typeUrl: TypeUrl = clusterType,
): HarnessClient {
  const client = harness.client(variant, 'cold');
  client.send({ typeUrl });
  return client;
}

/** What a client that starts now is given at once, undefined for nothing; it leaves again without a word. */
export function givenNow(
  harness: CoreHarness,
  variant: Variant = 'delta',
  typeUrl: TypeUrl = clusterType,
): Payloads | undefined {
  const client = starting(harness, variant, typeUrl);
  const messages = client.take(typeUrl);
  client.leave();
  assert.ok(messages.length <= 1, 'one message at most');
  return messages[0] && payloadsOf(messages[0]);
}

/** Another process on a copy of the disk, as after a crash, that cannot reach its upstream yet. */
export function restartedOffline(disk: MemoryDisk, settings: Partial<CoreSettings> = {}): CoreHarness {
  const harness = new CoreHarness(settings, disk.copy());
  harness.isUpstreamUp = false;
  harness.cut();
  return harness;
}

/** Lets the control plane of such a process be reached; returns when a stream is open. */
export function upstreamReturns(harness: CoreHarness): void {
  harness.isUpstreamUp = true;
  for (let tries = 0; tries < 100 && !harness.upstream; tries++) harness.advance(1_000);
  assert.ok(harness.upstream, 'the agent connects again');
}

/** Notes of one kind so far. */
export function notesOf<K extends Note['kind']>(harness: CoreHarness, kind: K): Extract<Note, { kind: K }>[] {
  return harness.notes.filter((note): note is Extract<Note, { kind: K }> => note.kind === kind);
}
