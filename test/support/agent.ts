import type { TestContext } from 'node:test';
import { resolveSettings } from '../../src/agent/config.ts';
import type { LogFields, Logger } from '../../src/agent/log.ts';
import { type RunningAgent, startAgent } from '../../src/agent/run.ts';
import { type Address, formatAddress } from '../../src/xds/address.ts';

/** An agent in this process, on real sockets, and what it logged. */
export interface TestAgent {
  readonly agent: RunningAgent;
  /** First address of the local endpoint, for {@link RawClient}. */
  readonly address: string;
  /** Base URL of the admin pages. */
  readonly adminUrl: string;
  /** Log lines as `level message {fields}`, oldest first. */
  readonly log: readonly string[];
}

/**
 * Starts an agent with short delays before it connects again; the test's end stops it.
 *
 * @param flags settings as flags without the dashes, such as `{ 'node-sharing': 'shared' }`
 * @throws Error with all problems when the settings are wrong, and what {@link startAgent} throws
 */
export async function startTestAgent(
  context: TestContext,
  upstream: string,
  flags: Readonly<Record<string, string>> = {},
): Promise<TestAgent> {
  const all = {
    upstream,
    listen: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    'reconnect-base': '20ms',
    'reconnect-max': '50ms',
    ...flags,
  };
  const resolution = resolveSettings({
    flags: new Map(Object.entries(all).map(([name, value]) => [`--${name}`, value])),
    environment: new Map(),
    file: undefined,
  });
  if ('problems' in resolution) throw new Error(resolution.problems.join('\n'));
  const log: string[] = [];
  const agent = await startAgent(resolution.settings, collector(log));
  context.after(() => agent.drain('the test is over'));
  return {
    agent,
    log,
    address: formatAddress(agent.listenAddresses[0] as Address), // The settings always name one.
    adminUrl: `http://${formatAddress(agent.adminAddress)}`,
  };
}

function collector(lines: string[]): Logger {
  const at = (level: string) => (fields: LogFields, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  return { level: 'debug', debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
