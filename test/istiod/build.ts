import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The commit that Istio's facts were measured with. */
const istioVersion = 'v0.0.0-20260827124520-eed52ebb66ad';
const istiodPackage = `istio.io/istio/pilot/cmd/pilot-discovery@${istioVersion}`;
const peers = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), '.peers');
const buildMsMax = 60 * 60_000;
const progressEveryMs = 10_000;

/**
 * Builds istiod from the Go module proxy, once; it takes minutes, and a gigabyte of Go's caches.
 *
 * @param tell is told how far it is
 * @returns the path of the binary
 * @throws Error when there is no Go, or it cannot be built, with Go's last lines
 */
export async function buildIstiod(tell: (progress: string) => void): Promise<string> {
  const binary = join(peers, `istiod-${istioVersion}`);
  if (existsSync(binary)) return binary;
  mkdirSync(peers, { recursive: true });
  tell(`building istiod ${istioVersion} into .peers/, which takes minutes …`);
  const child = spawn('go', ['install', '-v', '-trimpath', '-ldflags=-s -w', istiodPackage], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, GOBIN: peers, CGO_ENABLED: '0' },
    timeout: buildMsMax,
  });
  const last: string[] = [];
  let built = 0;
  let toldMs = performance.now();
  createInterface({ input: child.stderr }).on('line', line => {
    last.push(line);
    last.splice(0, last.length - 10);
    if (!line.startsWith('go: ')) built++;
    if (performance.now() - toldMs < progressEveryMs) return;
    toldMs = performance.now();
    tell(built === 0 ? 'downloading modules …' : `${built} packages built …`);
  });
  const [code] = await once(child, 'close').catch((error: unknown) => {
    throw new Error('Go is needed to build istiod: install it, or give one with --istiod PATH', { cause: error });
  });
  if (code !== 0) throw new Error(`istiod cannot be built:\n${last.join('\n')}`);
  renameSync(join(peers, 'pilot-discovery'), binary);
  return binary;
}
