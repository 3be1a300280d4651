// Loaded into an agent before it: on SIGUSR2 it collects garbage and writes what is left to the file that BENCH_MEMORY_FILE names.
const { renameSync, writeFileSync } = require('node:fs');

const file = process.env.BENCH_MEMORY_FILE;
process.on('SIGUSR2', () => {
  globalThis.gc();
  // What finalizers let go of is collected by the second.
  setImmediate(() => {
    globalThis.gc();
    writeFileSync(`${file}.new`, JSON.stringify(process.memoryUsage()));
    renameSync(`${file}.new`, file);
  });
});
