import { readFileSync } from 'node:fs';

/**
 * Text of a file of the dashboard. The bundle has another function in its place, which finds the file behind the program.
 *
 * @param name one of those that are served; never what a client wrote
 * @throws Error when it is not there
 */
export function readDashboardFile(name: string): string {
  return readFileSync(new URL(`dashboard/${name}`, import.meta.url), 'utf8');
}
