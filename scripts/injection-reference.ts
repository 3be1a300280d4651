import { annotationSpecs } from '../src/kube/injection-settings.ts';
import { containerNames, injectKey, metricsLabel, paths, ports, prefix, volumeNames } from '../src/kube/names.ts';

const head = `# Injection: annotations, and what a pod gets

Made from the table of annotations by \`npm run docs\`; do not edit. [In Kubernetes](kubernetes.md) says how Weir gets into pods in the first place, and what happens when they start and end.

\`weir inject\` and \`weir webhook\` put the same into a pod: what its annotations say, else those of its Deployment (\`weir inject\` only, since the webhook sees
pods), else \`--upstream\`, \`--image\` and \`--default NAME=VALUE\`, else \`--defaults FILE\`, else the default here. A pod without any control plane named is not injected. Unknown
names and wrong values are errors that name the annotation and the nearest right one; nothing is half injected.

## Which pods
`;

const wish = `| label or annotation | \`weir inject\`, POST /inject/namespace | POST /inject |
|---|---|---|
| \`${injectKey}: "true"\` | injected | injected |
| none | injected, unless it has the node's network | left as it is |
| \`${injectKey}: "false"\` | left as it is | left as it is |

The annotation beats the label, which is what the webhook's selectors go by. Pods for Windows are left as they are. \`weir inject\` brings what was injected before up to date, and the same
again changes nothing; the webhook leaves a pod that has Weir as it is, for others have added to it by then. The annotation \`weir.dev/status\` says that it was injected.

## Annotations
All begin with \`${prefix}\`. \`QUANTITY\` is one of Kubernetes (\`100m\`, \`128Mi\`), \`TIME\` is \`10m\`, \`12h\`, \`ADDR\` is \`host:port\`.
`;

const tail = `\`${prefix}set-FLAG\` sets any other setting of \`weir run\` ([all of them](configuration.md)): \`${prefix}set-log-level: debug\` is \`--log-level=debug\`. Values may refer to the variables
\`$(POD_NAME)\`, \`$(POD_NAMESPACE)\`, \`$(POD_IP)\`, \`$(POD_SERVICE_ACCOUNT)\`, \`$(NODE_NAME)\`, \`$(POD_REGION)\` and \`$(POD_ZONE)\`. \`set-listen\` adds an address to the socket; on a
cluster of IPv6 alone \`set-health: "[::]:${ports.health}"\`.

## What a pod gets
| what | where | for |
|---|---|---|
| init container \`${containerNames.cacheOwner}\` | first, with \`cache: hostPath:…\` | gives the directory to Weir’s user (\`weir cache own\`); root, with CHOWN and nothing else |
| init container \`${containerNames.bootstrap}\` | first of all | writes \`${paths.envoyBootstrap}\` and \`${paths.grpcBootstrap}\`, with one node: pod and namespace as id, the topology of the node as locality, names and labels as metadata |
| \`${containerNames.weir}\` | native: an init container that goes on running; classic: first of the containers | the agent, on \`${paths.socket}\` |
| \`${containerNames.envoy}\` | native sidecar after it, with \`envoy-image\` | an Envoy; the pod is started and ready when it has its configuration (port ${ports.envoyReady}) |
| in each client | | \`${paths.run}\`, read-only, and the variable \`GRPC_XDS_BOOTSTRAP\` unless it has one |
| volume \`${volumeNames.run}\` | memory | socket and bootstraps |
| volume \`${volumeNames.cache}\` | \`${paths.cache}\` | the disk cache, and the admin socket by which \`kubectl exec\` finds the agent |
| further volumes | read-only | \`${volumeNames.token}\`, \`${volumeNames.ca}\`, \`${volumeNames.tls}\`, \`${volumeNames.config}\`, \`${volumeNames.podInfo}\`, \`${volumeNames.envoyBootstrap}\`: as annotations ask for them |
| label \`${metricsLabel}\`, port \`http-weir\` (${ports.health}) | the pod | health for the kubelet, metrics for Prometheus |

Every other container runs without root, without capabilities, on a read-only root file system, as Pod Security \`restricted\` asks; \`cache: hostPath:…\` is what that forbids.
`;

/** docs/injection.md, of the table of annotations. */
export function injectionReference(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const code = (text: string): string => `\`${cell(text)}\``;
  const rows = [...annotationSpecs].map(
    ([name, { placeholder, help, fallback }]) =>
      `| ${code(name)} | ${code(placeholder)} | ${fallback === undefined ? '–' : code(fallback)} | ${cell(help)} |`,
  );
  return [head, wish, '| annotation | takes | default | what it does |', '|---|---|---|---|', ...rows, '', tail].join(
    '\n',
  );
}
