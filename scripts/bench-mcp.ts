import { runMeshBench } from '../test/bench/mcp/mcp-bench.ts';

// `npm run bench:mcp -- --help`: measures clients of mesh configuration at a source and through Weir.

process.exitCode = await runMeshBench(process.argv.slice(2));
