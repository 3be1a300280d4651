import { addPlace } from './options.ts';

type Command = Parameters<typeof addPlace>[0];

const meshExamples = `
Examples:
  weir proxy-config mcp                                  everything, in a table
  weir pc mcp vs -n shop                                 the VirtualServices of a namespace
  weir pc mcp vs shop/reviews --cache-dir DIR            one of them as YAML, with who acknowledged it
  weir pc mcp -o json                                    the table as JSON, with each client’s word
  weir pc mcp vs -o yaml --cache-dir DIR                 all of a kind, as kubectl apply takes them

Resources themselves are shown over the agent’s admin socket only (--cache-dir DIR, or --admin unix:/path).
`;

const typeExamples = `
Examples:
  weir pc clusters --cache-dir DIR                       every cluster, as istioctl shows them, and who took it
  weir pc routes 80 --cache-dir DIR                      one resource as Envoy’s /config_dump shows it
  weir pc all --cache-dir DIR                            every table
  weir pc LDS -o json --cache-dir DIR                    any type by its short name, message or URL
  weir pc mcp vs shop/reviews --cache-dir DIR            Istio’s mesh configuration, as kubectl takes it

Contents are shown over the agent’s admin socket only (--cache-dir DIR, or --admin unix:/path). Over TCP tables have the columns that need none.
`;

const sourceNote = `
AGE, SOURCE, ACKED and LAST CHANGE are Weir’s: how sure it is of the resource, and which clients took it. REFUSED: clients rejected its newest content.
What is shown is what the control plane says. Whether Envoy runs it is in Envoy’s own /config_dump.
`;

/** A kind of resource that has a command of its own. */
interface KindCommand {
  readonly title: string;
  /** The same in the singular, and as istioctl abbreviates it. */
  readonly aliases: readonly string[];
  readonly description: string;
  readonly name: string;
  /** Filters and what they mean. */
  readonly filters: readonly (readonly [flags: string, description: string])[];
  readonly help: string;
}

const kinds: readonly KindCommand[] = [
  {
    title: 'clusters',
    aliases: ['cluster', 'c'],
    description: 'clusters (CDS), as istioctl proxy-config clusters shows them',
    name: 'of the cluster, such as ‘outbound|80|v1|reviews.shop.svc.cluster.local’',
    filters: [
      ['--fqdn <HOST>', 'of this service'],
      ['--port <PORT>', 'of this port of a service'],
      ['--subset <NAME>', 'of this subset'],
      ['--direction <DIRECTION>', 'outbound, inbound or inbound-vip'],
    ],
    help: `
Examples:
  weir pc clusters --cache-dir DIR
  weir pc clusters --fqdn reviews.shop.svc.cluster.local --port 80 --cache-dir DIR
  weir pc clusters 'outbound|80|v1|reviews.shop.svc.cluster.local' -o yaml --cache-dir DIR
`,
  },
  {
    title: 'listeners',
    aliases: ['listener', 'l'],
    description: 'listeners (LDS), as istioctl proxy-config listeners shows them',
    name: 'of the listener',
    filters: [
      ['--address <HOST>', 'that listens there'],
      ['--port <PORT>', 'of this port'],
      ['--type <TYPE>', 'HTTP, TCP, HTTP+TCP or UNKNOWN'],
    ],
    help: `
Examples:
  weir pc listeners --port 15006 --cache-dir DIR
  weir pc listeners virtualInbound -o json --cache-dir DIR
`,
  },
  {
    title: 'routes',
    aliases: ['route', 'r'],
    description: 'routes (RDS, VHDS), as istioctl proxy-config routes shows them',
    name: 'of the route configuration, such as 80',
    filters: [['--name <NAME>', 'of this route configuration, as a table']],
    help: `
Examples:
  weir pc routes --name 80 --cache-dir DIR               its virtual hosts and routes as a table
  weir pc routes 80 -o json --cache-dir DIR              itself
`,
  },
  {
    title: 'endpoints',
    aliases: ['endpoint', 'ep'],
    description: 'endpoints (EDS, LEDS, and those in clusters), as istioctl proxy-config endpoints shows them',
    name: 'of the cluster',
    filters: [
      ['--cluster <NAME>', 'of this cluster'],
      ['--address <HOST>', 'of this address'],
      ['--port <PORT>', 'of this port'],
      ['--status <STATUS>', 'HEALTHY, UNHEALTHY, DRAINING, TIMEOUT, DEGRADED or UNKNOWN'],
    ],
    help: `
STATUS is what the control plane says of an endpoint; UNKNOWN, which Envoy takes for healthy, where it says nothing. There is no OUTLIER CHECK: what
Envoy’s health checks and its outlier detection find stays in Envoy (its admin page /clusters).

Examples:
  weir pc endpoints --cluster 'outbound|80||reviews.shop.svc.cluster.local' --cache-dir DIR
  weir pc endpoints --status unhealthy --cache-dir DIR
`,
  },
  {
    title: 'secrets',
    aliases: ['secret', 's'],
    description: 'secrets (SDS): that they are there; what is in them is shown nowhere',
    name: 'of the secret',
    filters: [],
    help: `
The agent gives out names and nothing else of a secret, so there is no TYPE, VALID CERT, SERIAL NUMBER, NOT AFTER or NOT BEFORE.

Examples:
  weir pc secrets
`,
  },
];

/** Adds the commands that show what a running agent holds. @param done is told the exit code */
export function addProxyConfigCommands(program: Command, done: (exitCode: number) => void): void {
  const proxyConfig = program
    .command('proxy-config')
    .alias('pc')
    .description('what a running agent holds: clusters, listeners, routes, endpoints, secrets, any other type')
    .addHelpText('after', typeExamples);
  const formats = 'text, json or yaml; text is a table, and YAML with who took it where a NAME is given';
  const addEnvoyPlace = (command: Command): Command =>
    addPlace(command, formats).option('--node <ID>', 'of this node only: its id, or the start of its view’s key');
  const commands = () => import('./commands/envoy-config.ts');
  for (const { title, aliases, description, name, filters, help } of kinds) {
    const command = proxyConfig.command(title).aliases(aliases).description(description).argument('[NAME]', name);
    for (const [flags, meaning] of filters) command.option(flags, meaning);
    addEnvoyPlace(command)
      .addHelpText('after', sourceNote + help)
      .action(async (one: string | undefined, options) => {
        done(await (await commands()).showEnvoy(title, one, options));
      });
  }
  addEnvoyPlace(proxyConfig.command('all').description('all of these, and every other type of Envoy’s'))
    .addHelpText('after', sourceNote)
    .action(async options => {
      done(await (await commands()).showEnvoy('all', undefined, options));
    });
  addMeshCommand(proxyConfig, done);
  const any = proxyConfig
    .command('type', { isDefault: true })
    .description('any type that is held; the word ‘type’ may be left out')
    .argument('[TYPE]', 'its short name (LDS), message (Listener), plural (listeners), kind, or URL')
    .argument('[NAME]', 'of the resource');
  addEnvoyPlace(any)
    .addHelpText('after', typeExamples)
    .action(async (type: string | undefined, name: string | undefined, options) => {
      done(await (await commands()).showType(type, name, options));
    });
}

function addMeshCommand(proxyConfig: Command, done: (exitCode: number) => void): void {
  addPlace(
    proxyConfig
      .command('mcp')
      .description(
        'Istio’s mesh configuration as it came over MCP: what, since when, from where, and which clients took it',
      )
      .argument(
        '[TYPE]',
        'kind, plural or short form as with kubectl (VirtualService, virtualservices, vs), or a type URL',
      )
      .argument('[NAME]', 'namespace/name, or name with -n: the resource itself, as kubectl takes it')
      .option('-n, --namespace <NAMESPACE>', 'of this namespace only'),
    'text, json or yaml',
  )
    .addHelpText('after', meshExamples)
    .action(async (type: string | undefined, name: string | undefined, options) => {
      done(await (await import('./commands/proxy-config.ts')).showMesh(type, name, options));
    });
}
