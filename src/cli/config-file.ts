import { readFileSync } from 'node:fs';
import type { ConfigFile } from '../agent/config.ts';
import { AgentError, exitCodes } from '../agent/errors.ts';

/**
 * Reads a YAML file with settings. The parser is loaded only now: it costs 4 MiB, and most agents have no file.
 *
 * @throws AgentError (usage) when the file cannot be read or is no YAML; the message says where
 */
export async function readConfigFile(name: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    throw new AgentError(`cannot read the configuration ${name}`, { cause: error, exitCode: exitCodes.usage });
  }
  const { isMap, isScalar, LineCounter, parseDocument, visit } = await import('yaml');
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  const [broken] = document.errors;
  if (broken) {
    // Its first line says what is wrong and where; then it quotes the file, which may hold tokens.
    const [what = ''] = broken.message.split('\n');
    throw new AgentError(`${name} is no valid YAML: ${what.replace(/:$/, '')}`, { exitCode: exitCodes.usage });
  }
  visit(document, {
    // The metadata is JSON, its numbers are meant. Elsewhere `0600` or an id of `007` counts as it was written.
    Pair: (_key, pair) => (isScalar(pair.key) && pair.key.value === 'metadata' ? visit.SKIP : undefined),
    Scalar: (key, node) => {
      if (key !== 'key' && typeof node.value === 'number' && node.source !== undefined) node.value = node.source;
    },
  });
  return { name, content: contentOf(), lineOf };

  function contentOf(): unknown {
    try {
      return document.toJS();
    } catch (error) {
      // An alias without its anchor, or aliases that multiply without bound, show only here.
      throw new AgentError(`${name} is no usable YAML`, { cause: error, exitCode: exitCodes.usage });
    }
  }

  function lineOf(key: string): number | undefined {
    let node: unknown = document.contents;
    let offset: number | undefined;
    for (const part of key.split('.')) {
      if (!isMap(node)) break;
      const pair = node.items.find(item => isScalar(item.key) && String(item.key.value) === part);
      if (!pair || !isScalar(pair.key)) break;
      offset = pair.key.range?.[0];
      node = pair.value;
    }
    return offset === undefined ? undefined : lineCounter.linePos(offset).line;
  }
}
