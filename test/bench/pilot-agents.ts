import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, pickFreePort, removeFolder, startProcess, waitFor } from '../../src/demo/processes.ts';
import { makeSelfSigned } from '../../src/kube/certificate.ts';
import type { Stop } from './bounded-run.ts';

// Istio's pilot-agent as the bench starts it: without Envoy, plaintext to the control plane, and with certificates from files, so that it does not look for a
// CA all the while. It serves one client, on a socket below its working directory.

const startMsMax = 15_000;
const certificateMs = 86_400_000;

/** A command for `sh`. @param folder its working directory, which may be a placeholder @param statusPort of its status pages */
export async function pilotAgentCommand(
  path: string,
  upstream: string,
  folder: string,
  statusPort: string,
): Promise<string> {
  const config = `{"discoveryAddress":"${upstream}","controlPlaneAuthPolicy":"NONE","statusPort":${statusPort}}`;
  const files = Object.entries(await certificateFiles()).map(
    ([name, text]) => `printf %s '${text}' >${credentials}/${name}`,
  );
  const environment = [
    ...['DISABLE_ENVOY=true', `PROXY_CONFIG='${config}'`, 'POD_NAME=bench', 'POD_NAMESPACE=default'],
    ...['INSTANCE_IP=127.0.0.1', 'ISTIO_META_CLUSTER_ID=bench', 'PILOT_CERT_PROVIDER=istiod'],
  ];
  return [
    `cd '${folder}'`,
    `mkdir -p ${credentials} var/run/secrets/istio var/run/secrets/tokens`,
    ...files,
    `cp ${credentials}/root-cert.pem var/run/secrets/istio/`,
    'printf none >var/run/secrets/tokens/istio-token',
    `${environment.join(' ')} exec '${path}' proxy sidecar --domain default.svc.cluster.local --log_output_level=default:warn`,
  ].join(' && ');
}

/** Where it listens. */
export function pilotAgentSocket(folder: string): string {
  return join(folder, 'etc', 'istio', 'proxy', 'XDS');
}

/** Starts as many as there are clients. @throws Error with the last lines of one that does not start */
export async function startPilotAgents(
  path: string,
  upstream: string,
  count: number,
  stops: Stop[],
): Promise<{ readonly targets: readonly string[]; readonly pids: readonly number[] }> {
  const targets: string[] = [];
  const pids: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const folder = makeFolder();
    stops.push(async () => removeFolder(folder));
    const statusPort = String(await pickFreePort());
    const agent = await startProcess('pilot-agent', '/bin/sh', [
      '-c',
      await pilotAgentCommand(path, upstream, folder, statusPort),
    ]);
    stops.push(() => agent.kill());
    const socket = pilotAgentSocket(folder);
    await waitFor('pilot-agent to listen', startMsMax, () => (existsSync(socket) ? true : undefined), [agent]);
    targets.push(`unix:${socket}`);
    pids.push(agent.pid);
  }
  return { targets, pids };
}

const credentials = 'var/run/secrets/workload-spiffe-credentials';
let made: Readonly<Record<string, string>> | undefined;

/** A certificate that nobody is shown; one for all. */
async function certificateFiles(): Promise<Readonly<Record<string, string>>> {
  if (made) return made;
  const { ca, cert, key } = await makeSelfSigned(['bench'], Date.now(), certificateMs);
  made = { 'cert-chain.pem': cert, 'key.pem': key, 'root-cert.pem': ca };
  return made;
}
