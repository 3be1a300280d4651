import { readFileSync } from 'node:fs';

/** Where the namespace of a pod is written in it. */
export const namespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** The namespace of the pod that this is; undefined when it is none. */
export function podNamespace(): string | undefined {
  try {
    return readFileSync(namespaceFile, 'utf8').trim();
  } catch {
    // Not in a pod, or without a service account: it has to be said by a flag.
    return undefined;
  }
}
