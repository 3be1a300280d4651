import type { AdminClient } from '../admin/client.ts';

/** What an agent says of itself, and what that comes down to. */
export type StatusReport = Awaited<ReturnType<AdminClient['report']>>;
/** The same without what it comes down to. */
export type AgentReport = Omit<StatusReport, 'ready' | 'verdict'>;
/** One type of one view. */
export type TypeReport = AgentReport['types'][number];
/** One local client stream. */
export type ClientReport = AgentReport['clients'][number];
/** One type on one client stream. */
export type ClientTypeReport = ClientReport['types'][number];
/** All that is known of a resource. */
export type Explanation = Awaited<ReturnType<AdminClient['explain']>>;
/** The same in one type. */
export type ExplainedName = Explanation['found'][number];
/** One resource, as far as it may be shown. */
export type ShownResource = ReturnType<AdminClient['resources']> extends AsyncGenerator<infer One> ? One : never;
/** Something that happened. */
export type AgentEvent = Awaited<ReturnType<AdminClient['events']>>[number];
