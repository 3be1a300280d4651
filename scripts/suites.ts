/** One group of tests: what `npm test -- NAME` runs. */
export interface Suite {
  readonly name: string;
  /** Where its test files are, relative to the root of the clone. */
  readonly glob: string;
  /** How many test files run at the same time; 1 where processes, sockets or Envoys of two files would disturb each other. */
  readonly concurrency: number;
  /** How long one test file may take in ms, so that a test that hangs says its name long before CI's own limit. */
  readonly timeoutMs: number;
}

/** Every suite, in the order in which they run: what fails fastest comes first. */
export const suites: readonly Suite[] = [
  { name: 'tidy', glob: 'test/tidy.test.ts', concurrency: 2, timeoutMs: 120_000 },
  { name: 'unit', glob: 'test/unit/**/*.test.ts', concurrency: 2, timeoutMs: 120_000 },
  { name: 'property', glob: 'test/property/**/*.test.ts', concurrency: 2, timeoutMs: 120_000 },
  { name: 'simulation', glob: 'test/simulation/**/*.test.ts', concurrency: 2, timeoutMs: 120_000 },
  { name: 'integration', glob: 'test/integration/**/*.test.ts', concurrency: 1, timeoutMs: 300_000 },
  { name: 'e2e', glob: 'test/e2e/**/*.test.ts', concurrency: 1, timeoutMs: 300_000 },
];
