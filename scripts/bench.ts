import { runBench } from '../test/bench/bench.ts';

// `npm run bench -- --help`: measures Weir beside direct clients and a bare relay.

process.exitCode = await runBench(process.argv.slice(2));
