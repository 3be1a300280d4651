import assert from 'node:assert/strict';
import { scopeRows } from '../../src/agent/scope-settings.ts';
import { type ScopeRule, Scopes } from '../../src/agent/scopes.ts';
import { CoreHarness } from './core-harness.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { rootNamespace } from './scope-oracle.ts';

/** An Istio node id of this namespace. */
export const idIn = (namespace: string): string => `sidecar~10.0.0.1~pod.${namespace}~${namespace}.svc.cluster.local`;

/** Rules as they are written in the configuration. */
export function rulesOf(...rules: readonly unknown[]): readonly ScopeRule[] {
  const parsed = scopeRows.scopes.parse(JSON.stringify(rules));
  assert.ok('value' in parsed && parsed.value, 'error' in parsed ? parsed.error : 'there are rules');
  return parsed.value;
}

/** Scopes by rules; undefined for what holds without. */
export const scopesWith = (rules: readonly unknown[] | undefined): Scopes =>
  new Scopes({ rules: rules && rulesOf(...rules), rootNamespace });

/** An agent of one node, with a SotW control plane. @param more settings */
export function scopedHarness(
  rules: readonly unknown[] | undefined,
  more: object = {},
  disk?: MemoryDisk,
): CoreHarness {
  return new CoreHarness({ nodeSharing: 'refuse', variant: 'sotw', scopes: scopesWith(rules), ...more }, disk);
}
