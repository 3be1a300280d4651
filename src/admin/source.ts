import type { Readable } from 'node:stream';
import type { AgentEvent, EventQuery, TrendPoint } from './agent-event.ts';
import type { DriftReport } from './drift-report.ts';
import type { ExplainQuery, Explanation } from './explanation.ts';
import type { HistogramSample, MetricSample } from './metric-sample.ts';
import type { AgentReport, CachedResource, CachedView, HeldResource, ResourceReport } from './reports.ts';

/**
 * What the admin pages ask of the agent. The agent implements {@link AdminSource} and {@link AdminControl}; nothing in admin/ reaches further.
 */

/** Which resources are asked for, and what of them. */
export interface HeldQuery {
  readonly typeUrl: string;
  /** Of one view only. */
  readonly viewKey?: string | undefined;
  /** Of one namespace only: names are `namespace/name`. */
  readonly namespace?: string | undefined;
  /** Whose name holds this, in upper or lower case. */
  readonly contains?: string | undefined;
  /** These only, in this order; all without it. */
  readonly names?: readonly string[] | undefined;
  readonly hasClients: boolean;
  readonly hasBodies: boolean;
}

/** How much is logged. */
export interface LogLevelReport {
  /** `trace`, `debug`, `info`, `warn`, `error` or `silent`. */
  readonly level: string;
  /** What the agent was started with. */
  readonly configured: string;
  /** Wall time in ms at which the configured level is back; undefined where nobody has said so. */
  readonly untilWallMs: number | undefined;
}

/** What an operator may change. Every call is one event to the agent. */
export interface AdminControl {
  /** Lets pass what the guard holds back, of one type (short name or URL) or of all. Returns how many removals were held. */
  passGuard(type: string | undefined): number;
  /** What is on disk, without contents; undefined without a disk. */
  listCache(): readonly CachedView[] | undefined;
  /** What is on disk of a type, resource by resource and without contents, of one node or of all; undefined without a disk. */
  listCached(typeUrl: string, viewKey: string | undefined): Iterable<CachedResource> | undefined;
  /** Everything that is on disk of the node used last, as an unsigned seed bundle; undefined when there is nothing. */
  exportCache(): Uint8Array | undefined;
  /** Drops from the disk what is not in use now. Returns the number of views. */
  purgeCache(): number;
  /**
   * What is said upstream from now on, line by line; undefined when too many are being recorded.
   *
   * @param isWhole upstream streams are opened anew, so that everything held is sent once more
   */
  record(isWhole: boolean): Readable | undefined;
  /** What has happened and happens, as server-sent events; undefined when too many follow it. */
  followEvents(query: EventQuery): Readable | undefined;
  /** Begins to compare what is held with a fresh fetch, unless that is under way; see {@link AdminSource.drift}. */
  checkDrift(): void;
  /** Has the clients go and the process end. */
  drain(): void;
  logLevel(): LogLevelReport;
  /** Changes how much is logged, for so many ms if they are given. */
  setLogLevel(level: string, forMs: number | undefined): LogLevelReport | { readonly error: string };
}

/** A health verdict with the reason a human reads at 3 a.m. */
export interface HealthVerdict {
  readonly isOk: boolean;
  readonly reason: string;
}

/** Where the admin pages get everything they show. */
export interface AdminSource {
  report(): AgentReport;
  /** Cached resources of a type in a view, in no particular order. */
  resources(viewKey: string, typeUrl: string): Iterable<ResourceReport>;
  /** What is held of a type in memory, in no particular order; secrets without anything that tells of their content. */
  held(query: HeldQuery): Iterable<HeldResource>;
  metrics(): Iterable<MetricSample | HistogramSample>;
  /** What happened lately, oldest first. */
  events(query: EventQuery): Iterable<AgentEvent>;
  /** All that is known of a name. */
  explain(query: ExplainQuery): Explanation;
  /** The last hour, oldest first. */
  trend(): readonly TrendPoint[];
  drift(): DriftReport;
}
