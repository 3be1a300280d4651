import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { HistogramSample, MetricSample } from '../admin/metric-sample.ts';
import type { MemoryReport } from '../admin/reports.ts';
import { Histogram } from './histogram.ts';
import { histogramOf, sampleOf } from './metric-table.ts';

/** How often it is looked whether the event loop is late, in ms. Node's own monitor wakes a hundred times a second, which a sidecar would pay for. */
const lookEveryMs = 500;

/** What the process uses, for `/metrics`. */
export class ProcessWatch {
  readonly #startedWallMs: number;
  readonly #version: string;
  readonly #delays = new Histogram();
  readonly #timer: NodeJS.Timeout;
  #dueMs: number;

  /** @param version of Weir */
  constructor(startedWallMs: number, version: string) {
    this.#startedWallMs = startedWallMs;
    this.#version = version;
    this.#dueMs = performance.now() + lookEveryMs;
    this.#timer = setInterval(() => this.#look(), lookEveryMs).unref();
  }

  /** Current values, for `/metrics`. */
  *samples(): Generator<MetricSample | HistogramSample> {
    yield sampleOf('build_info', 1, { version: this.#version, node: process.version });
    yield sampleOf('start_time_seconds', this.#startedWallMs / 1000);
    const { rss, heapUsed, external } = process.memoryUsage();
    const { residentBytes, ownBytes } = readMemory(rss);
    yield sampleOf('process_resident_memory_bytes', residentBytes);
    if (ownBytes !== undefined) yield sampleOf('process_own_memory_bytes', ownBytes);
    yield sampleOf('process_heap_bytes', heapUsed);
    yield sampleOf('process_external_memory_bytes', external);
    const { user, system } = process.cpuUsage();
    yield sampleOf('process_cpu_seconds_total', (user + system) / 1e6);
    yield sampleOf('process_event_loop_active_seconds_total', performance.eventLoopUtilization().active / 1000);
    yield histogramOf('process_event_loop_delay_seconds', this.#delays);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    this.#delays.observe(Math.max(0, nowMs - this.#dueMs) / 1000);
    this.#dueMs = nowMs + lookEveryMs;
  }
}

/** What memory the process has at this moment. @param residentBytes where that was read already */
export function readMemory(residentBytes = process.memoryUsage.rss()): MemoryReport {
  try {
    const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return { residentBytes, ownBytes: kilobytes === undefined ? undefined : Number(kilobytes) * 1024 };
  } catch {
    // Only Linux tells.
    return { residentBytes, ownBytes: undefined };
  }
}
