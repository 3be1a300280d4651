import { isIP } from 'node:net';
import { join } from 'node:path';
import { exitCodes, usageError } from '../../agent/errors.ts';
import { mergeBootstrap } from '../../kube/bootstrap-merge.ts';
import { bootstrapNode, parseLabels } from '../../kube/bootstrap-node.ts';
import { type Data, objectOf } from '../../kube/data.ts';
import { envoyBootstrap } from '../../kube/envoy-bootstrap.ts';
import { grpcBootstrap } from '../../kube/grpc-bootstrap.ts';
import { type Address, parseAddress } from '../../xds/address.ts';
import { readText, writeWhole } from '../whole-file.ts';
import { toYaml } from '../yaml-text.ts';

/** Options of all bootstraps. */
interface CommonOptions {
  readonly listen: string;
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly nodeRegion?: string;
  readonly nodeZone?: string;
  readonly nodeSubZone?: string;
  readonly nodeMetadata?: string;
  readonly labelsFile?: string;
  readonly out?: string;
}

interface EnvoyOptions extends CommonOptions {
  readonly format?: string;
  readonly variant: string;
  readonly admin: string;
  readonly fetchTimeout: string;
  readonly merge?: string;
  readonly readyListen?: string;
}

interface GrpcOptions extends CommonOptions {
  readonly serverFeature: readonly string[];
}

interface PodOptions extends EnvoyOptions, GrpcOptions {
  readonly directory: string;
  readonly for: string;
}

/** Largest bootstrap of one's own. */
const bytesMax = 4 * 1024 * 1024;
/** Envoy and the app have other users. */
const bootstrapMode = 0o644;

/** `weir bootstrap envoy`: prints a complete bootstrap whose ADS is the agent. */
export async function printEnvoyBootstrap(options: EnvoyOptions): Promise<number> {
  const { text } = await envoyText(options);
  write(options.out, text);
  return exitCodes.ok;
}

/** `weir bootstrap grpc`: prints the bootstrap of gRPC's xDS clients. */
export async function printGrpcBootstrap(options: GrpcOptions): Promise<number> {
  write(options.out, grpcText(options, nodeOf(options)));
  return exitCodes.ok;
}

/** `weir bootstrap pod`: writes the bootstraps of a pod's containers into a directory. Both say the same node, so that they are one client of the agent. */
export async function writePodBootstraps(options: PodOptions): Promise<number> {
  const wanted = options.for.split(',').map(one => pick('--for', one.trim(), ['envoy', 'grpc']));
  let node = nodeOf(options);
  if (wanted.includes('envoy')) {
    const envoy = await envoyText(options);
    node = envoy.node;
    report(join(options.directory, 'envoy.yaml'), envoy.text);
  }
  if (wanted.includes('grpc')) report(join(options.directory, 'grpc.json'), grpcText(options, node));
  return exitCodes.ok;
}

function report(path: string, text: string): void {
  write(path, text);
  console.log(`wrote ${path}`);
}

async function envoyText(options: EnvoyOptions): Promise<{ readonly text: string; readonly node: Data }> {
  // protobuf's JSON form of a Duration: at most nine digits behind the point.
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(options.fetchTimeout)) {
    throw usageError(`--fetch-timeout must be a number of seconds (given: '${options.fetchTimeout}')`);
  }
  const format = options.format === undefined ? undefined : pick('--format', options.format, ['yaml', 'json']);
  const node = nodeOf(options);
  const ours = envoyBootstrap({
    node,
    listen: read('--listen', options.listen),
    isDelta: pick('--variant', options.variant, ['delta', 'sotw']) === 'delta',
    fetchTimeout: options.fetchTimeout,
    admin: bindable('--admin', options.admin),
    readyListen: options.readyListen === undefined ? undefined : bindable('--ready-listen', options.readyListen),
    isNumeric: host => isIP(host) > 0,
  });
  if (options.merge !== undefined) return await mergedText(options.merge, ours, format);
  return { text: format === 'json' ? json(ours) : await toYaml(ours), node };
}

/** One's own file with our parts in it; in its own form, comments and all, unless another form is asked for. */
async function mergedText(
  path: string,
  ours: Data,
  format: 'yaml' | 'json' | undefined,
): Promise<{ readonly text: string; readonly node: Data }> {
  const text = readText(path, bytesMax);
  const { patchYaml } = await import('../../kube/yaml-patch.ts');
  const { readYaml } = await import('../../kube/yaml-read.ts');
  const parsed = readYaml(text);
  if ('problem' in parsed) throw usageError(`${path}, line ${parsed.problem.line}: ${parsed.problem.what}`);
  const [first, ...more] = parsed.documents;
  const own = first?.content === undefined ? {} : objectOf(first.content);
  if (!own || more.length > 0) throw usageError(`${path} is no bootstrap: it must be one map`);
  const { merged, notes } = mergeBootstrap(own, ours);
  for (const note of notes) console.error(`weir: ${path}: ${note}`);
  const node = objectOf(merged['node']) ?? {};
  const isJson = /^\s*\{/.test(text);
  if (format !== undefined && format !== (isJson ? 'json' : 'yaml')) {
    return { text: format === 'json' ? json(merged) : await toYaml(merged), node };
  }
  if (!first || Object.keys(own).length === 0) return { text: isJson ? json(merged) : await toYaml(merged), node };
  const patched = patchYaml(text, parsed.documents, [merged]);
  if (patched.isRewritten) console.error(`weir: ${path}: it was written anew, without its comments`);
  return { text: patched.text, node };
}

function grpcText(options: GrpcOptions, node: Data): string {
  return json(grpcBootstrap(read('--listen', options.listen), node, options.serverFeature));
}

function nodeOf(options: CommonOptions): Data {
  const { nodeMetadata, labelsFile } = options;
  const read = labelsFile === undefined ? undefined : parseLabels(readText(labelsFile, bytesMax));
  if (read && 'error' in read) throw usageError(`--labels-file ${labelsFile}: ${read.error}`);
  return bootstrapNode({ ...options, metadata: metadataOf(nodeMetadata), labels: read?.labels });
}

function metadataOf(text: string | undefined): Data | undefined {
  if (text === undefined || text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const metadata = objectOf(value);
  if (!metadata) throw usageError(`--node-metadata must be a JSON object (given: '${text}')`);
  return metadata;
}

/** A whole file or none, which every user of the pod may read: a bootstrap has no secrets of ours. */
function write(path: string | undefined, text: string): void {
  const whole = text.endsWith('\n') ? text : `${text}\n`;
  if (path === undefined) {
    process.stdout.write(whole);
    return;
  }
  writeWhole(path, whole, bootstrapMode);
}

function json(value: unknown): string {
  return JSON.stringify(value, undefined, 2);
}

function bindable(flag: string, text: string): Address {
  const address = read(flag, text);
  if (address.kind === 'tcp' && isIP(address.host) === 0) {
    throw usageError(
      `${flag} must be an IP address and port, or unix:/path: Envoy binds to no name (given: '${text}')`,
    );
  }
  return address;
}

function read(flag: string, text: string): Address {
  const address = parseAddress(text);
  if ('error' in address) throw usageError(`${flag} ${address.error}`);
  return address;
}

function pick<const T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find(one => one === text);
  if (found === undefined) throw usageError(`${flag} must be one of ${allowed.join(', ')} (given: '${text}')`);
  return found;
}
