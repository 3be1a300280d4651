import { listenerType } from '../xds/type-urls.ts';
import type { RpcStatus, TypeUrl } from '../xds/types.ts';
import type { UpstreamRequest } from './subscription.ts';

/** What a client says of itself, and is never answered: Istio's HealthInformation. */
export interface ClientReport {
  readonly typeUrl: TypeUrl;
  /** Undefined for a workload that is well. */
  readonly status: RpcStatus | undefined;
}

/** The reports that hold at the moment, the newest of each type. The owner changes it, streams read it. */
export type ClientReports = ReadonlyMap<TypeUrl, ClientReport>;

/** Which reports a stream has told. They are said once, and again on each new stream. Its life is the stream's. */
export class ToldReports {
  readonly #reports: ClientReports;
  readonly #told = new Map<TypeUrl, ClientReport>();

  constructor(reports: ClientReports) {
    this.#reports = reports;
  }

  /** The report to be sent next, if any; it counts as sent. istiod knows the workload only once it was asked for listeners (istio-facts.md, lesson 8). */
  next(isAskedFor: (typeUrl: TypeUrl) => boolean): ClientReport | undefined {
    for (const report of this.#reports.values()) {
      if (this.#told.get(report.typeUrl) === report) continue;
      if (!isAskedFor(listenerType)) return undefined;
      this.#told.set(report.typeUrl, report);
      return report;
    }
    return undefined;
  }
}

/** A report as a request. */
export function reportRequest({ typeUrl, status }: ClientReport, variant: UpstreamRequest['variant']): UpstreamRequest {
  const common = { node: undefined, typeUrl, responseNonce: '', errorDetail: status } as const;
  if (variant === 'sotw') return { ...common, variant, versionInfo: '', resourceNames: [] };
  return { ...common, variant, subscribe: [], unsubscribe: [], initialResourceVersions: new Map() };
}
