import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build, type Plugin, transform } from 'esbuild';

/** Packages that few runs need. As part of the program their text alone would cost every start 20 ms. */
const lazyPackages = [
  'undici',
  'yaml',
  'js-yaml',
  'pino-pretty',
  '@grpc/proto-loader',
  '@kubernetes/client-node',
  'node-forge',
  'diff',
];

/** Files of ours of which the same is true: data alone, which nothing is shared with. */
const lazyFiles = ['src/envoy/tables.ts'];

/** What of a package is used, where the rest of it is too much to carry along: client-node describes all of Kubernetes, in 6 MB. */
const usedOf: ReadonlyMap<string, string> = new Map([['@kubernetes/client-node', 'KubeConfig']]);

const namespace = 'lazy';

/** What a program with {@link lazyPlugin} has to begin with. Node's own way of running a text as a module, without its cache. */
export const lazyLoader = `const textBehind=name=>{
  const [,packed=""]=require("node:fs").readFileSync(__filename,"latin1").split("\\n//# lazy "+name+"\\n//");
  const text=packed.slice(0,packed.indexOf("\\n//# end")).replaceAll("\\n//","");
  return require("node:zlib").brotliDecompressSync(Buffer.from(text,"base64")).toString();
};
const loadLazy=name=>{
  const source=textBehind(name);
  const module={exports:{}};
  const parameters=["exports","require","module"];
  require("node:vm").compileFunction(source,parameters,{filename:__filename+" ("+name+")"})(module.exports,require,module);
  return module.exports;
};`;

/** Makes such a package or file be loaded from behind the program when it is first asked for. */
export const lazyPlugin: Plugin = {
  name: namespace,
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(${lazyPackages.join('|')})$`);
    onResolve({ filter }, ({ path }) => ({ path, namespace }));
    onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir }) => {
      const file = lazyFiles.find(one => join(resolveDir, path).endsWith(`/${one}`));
      return file === undefined ? undefined : { path: file, namespace };
    });
    onLoad({ filter: /^/, namespace }, ({ path }) => ({
      contents: `module.exports = loadLazy(${JSON.stringify(path)});`,
    }));
    onLoad({ filter: /[/\\]src[/\\]admin[/\\]dashboard-files\.ts$/ }, () => ({
      contents: "export const readDashboardFile = name => textBehind('dashboard/' + name);",
    }));
  },
};

/** The packages, the files and those of the dashboard as comments, to stand behind the program: those cost next to nothing. */
export async function lazyText(directory: string, options: Parameters<typeof build>[0]): Promise<string> {
  const parts: string[] = [];
  for (const name of [...lazyPackages, ...lazyFiles]) {
    const { outputFiles } = await build({
      ...options,
      absWorkingDir: directory,
      stdin: { contents: contentsOf(name), resolveDir: directory },
      plugins: [unusedPlugin],
      write: false,
    });
    parts.push(comment(name, outputFiles[0]?.text.trimEnd() ?? ''));
  }
  const folder = join(directory, 'src', 'admin', 'dashboard');
  for (const name of readdirSync(folder)) {
    if (name === 'tsconfig.json') continue;
    const text = readFileSync(join(folder, name), 'utf8');
    parts.push(comment(`dashboard/${name}`, await smaller(name, text)));
  }
  return `\n${parts.join('\n')}\n`;
}

/** Node keeps the text of the program, comments included, for as long as it runs: a package that is not used takes a fifth of its size. */
function comment(name: string, text: string): string {
  const lines =
    brotliCompressSync(text)
      .toString('base64')
      .match(/.{1,180}/g) ?? [];
  return [`//# lazy ${name}`, ...lines.map(line => `//${line}`), '//# end'].join('\n');
}

/** Of scripts and styles the comments and blanks go; lines stay short enough to be read. */
async function smaller(name: string, text: string): Promise<string> {
  const loader = name.endsWith('.js') ? 'js' : name.endsWith('.css') ? 'css' : undefined;
  if (!loader) return text.trimEnd();
  const { code } = await transform(text, { loader, minifyWhitespace: true, lineLimit: 200 });
  return code.trimEnd();
}

function contentsOf(name: string): string {
  if (lazyFiles.includes(name)) return `export * from './${name}';`;
  const used = usedOf.get(name);
  const from = JSON.stringify(name);
  return used === undefined ? `module.exports = require(${from});` : `export { ${used} } from ${from};`;
}

/** Leaves out the files of such a package that nothing of what is used needs. Its modules do nothing when they are loaded but define what they export. */
const unusedPlugin: Plugin = {
  name: 'unused',
  setup({ onResolve, resolve }) {
    const names = [...usedOf.keys()];
    onResolve({ filter: /^/ }, async ({ path, pluginData, ...rest }) => {
      const isPart = names.some(name => path === name || rest.importer.includes(`/${name}/`));
      if (!isPart || pluginData === names) return undefined;
      return { ...(await resolve(path, { ...rest, pluginData: names })), sideEffects: false };
    });
  },
};
