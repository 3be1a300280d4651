import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { LineProcess } from './line-process.ts';
import { buildIstioTypes, goSources } from './peers.ts';

/** The program with Istio's own types, or why it is not there. */
export const istioTypes = buildIstioTypes();

/** A field as Go's descriptor has it. */
export interface GoField {
  readonly name: string;
  readonly jsonName: string;
  readonly number: number;
  readonly form: string;
  readonly key: string;
  readonly type: string;
  readonly oneof: string;
}

/** Descriptions by full names. */
export interface GoDescription {
  readonly messages: Readonly<Record<string, readonly GoField[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** What Go makes of one message: both of its forms, or why it is none. */
export interface GoMessage {
  /** As protojson writes it. */
  readonly json?: unknown;
  readonly bytes?: Buffer;
  readonly error?: string;
}

/** A message for Go to read: JSON as istiod reads it, or bytes. */
export type Given = { readonly message: string } & ({ readonly json: unknown } | { readonly bytes: Buffer });

/** Istio's own types in a process of its own. The test's end kills it. */
export class IstioTypes {
  readonly #process: LineProcess;

  constructor(context: TestContext) {
    if ('missing' in istioTypes) throw new Error(istioTypes.missing);
    this.#process = new LineProcess(context, 'istio-types', [istioTypes.program]);
  }

  /** Describes messages and all that they reach. */
  async describe(messages: readonly string[]): Promise<GoDescription> {
    return (await this.#ask({ describe: messages })) as GoDescription; // Written by `answer` in main.go.
  }

  /** Has Go read messages, in their order. */
  async read(all: readonly Given[]): Promise<readonly GoMessage[]> {
    const read = all.map(given => ('bytes' in given ? { ...given, bytes: given.bytes.toString('base64') } : given));
    const { read: answers = [] } = (await this.#ask({ read })) as {
      readonly read?: readonly { readonly json?: unknown; readonly bytes: string | null; readonly error?: string }[];
    };
    return answers.map(({ bytes, ...rest }) => ({
      ...rest,
      ...(!rest.error && { bytes: Buffer.from(bytes ?? '', 'base64') }),
    }));
  }

  async #ask(command: unknown): Promise<unknown> {
    const from = this.#process.lines.length;
    this.#process.send(command);
    return await this.#process.line('an answer', line => line ?? undefined, from);
  }
}

/** Folder of the Go module istio.io/api that the program is built with. */
export function istioApiFolder(): string {
  const list = spawnSync('go', ['list', '-m', '-f', '{{.Dir}}', 'istio.io/api'], {
    cwd: goSources('go-istio'),
    encoding: 'utf8',
  });
  if (list.status !== 0) throw new Error(`go list failed: ${list.stderr}`);
  return list.stdout.trim();
}
