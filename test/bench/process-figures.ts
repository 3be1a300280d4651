import { readdirSync, readFileSync } from 'node:fs';

/** Of the kernel's clock ticks in /proc/PID/stat; 100 a second on every Linux that Node.js supports. */
const msPerTick = 10;

/** Memory of a process in MiB. `own` is RssAnon: what is not shared with other processes that run the same files. */
export interface Memory {
  readonly rssMiB: number;
  readonly ownMiB: number;
  /** The most that `rssMiB` ever was. */
  readonly peakRssMiB: number;
}

/** Reads the memory of a process, undefined where there is no /proc or no such process. */
export function memoryOf(pid: number): Memory | undefined {
  const status = read(`/proc/${pid}/status`);
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  const memory = { rssMiB: mebibytes('VmRSS'), ownMiB: mebibytes('RssAnon'), peakRssMiB: mebibytes('VmHWM') };
  return Number.isFinite(memory.rssMiB + memory.ownMiB + memory.peakRssMiB) ? memory : undefined;
}

/**
 * Processor time a process has used since its start, in ms, undefined where there is no /proc or no such process. The
 * scheduler's own count per thread is exact; where a kernel does not give it, /proc/PID/stat counts in steps of 10 ms.
 */
export function cpuMsOf(pid: number): number | undefined {
  const folder = `/proc/${pid}/task`;
  let nanoseconds = 0;
  try {
    for (const thread of readdirSync(folder))
      nanoseconds += Number(read(`${folder}/${thread}/schedstat`).split(' ')[0]);
  } catch {
    // Not Linux, or the process has ended.
    return undefined;
  }
  if (nanoseconds > 0) return nanoseconds / 1e6;
  // The name in field 2 may hold spaces and brackets, so what is counted begins after the last one.
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? ticks * msPerTick : undefined;
}

/** The sums over several processes; undefined without any, or where one cannot be read. */
export function memoryOfAll(pids: readonly number[]): Memory | undefined {
  const [first, ...others] = pids.map(memoryOf);
  return others.reduce(
    (sum, one) =>
      sum &&
      one && {
        rssMiB: sum.rssMiB + one.rssMiB,
        ownMiB: sum.ownMiB + one.ownMiB,
        peakRssMiB: sum.peakRssMiB + one.peakRssMiB,
      },
    first,
  );
}

/** As {@link memoryOfAll}, of {@link cpuMsOf}. */
export function cpuMsOfAll(pids: readonly number[]): number | undefined {
  const [first, ...others] = pids.map(cpuMsOf);
  return others.reduce((sum, one) => (sum === undefined || one === undefined ? undefined : sum + one), first);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // A thread can end between listing and reading; it then counts as having done nothing.
    return '';
  }
}
