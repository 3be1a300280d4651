import { build, type Plugin } from 'esbuild';

/** Packages that few runs need. As part of the program their text alone would cost every start 20 ms. */
const lazyPackages = ['undici', 'yaml', 'pino-pretty', '@grpc/proto-loader'];

const namespace = 'lazy';

/** What a program with {@link lazyPlugin} has to begin with. Node's own way of running a text as a module, without its cache. */
export const lazyLoader = `const loadLazy=name=>{
  const [,text]=require("node:fs").readFileSync(__filename,"utf8").split("\\n//# lazy "+name+"\\n");
  const lines=text.slice(0,text.indexOf("\\n//# end")).split("\\n");
  const source=lines.map(line=>line.slice(2)).join("\\n");
  const module={exports:{}};
  const parameters=["exports","require","module"];
  require("node:vm").compileFunction(source,parameters,{filename:__filename+" ("+name+")"})(module.exports,require,module);
  return module.exports;
};`;

/** Makes such a package be loaded from behind the program when it is first asked for. */
export const lazyPlugin: Plugin = {
  name: namespace,
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(${lazyPackages.join('|')})$`);
    onResolve({ filter }, ({ path }) => ({ path, namespace }));
    onLoad({ filter, namespace }, ({ path }) => ({ contents: `module.exports = loadLazy(${JSON.stringify(path)});` }));
  },
};

/** The packages as comments, to stand behind the program: those cost next to nothing. */
export async function lazyText(directory: string, options: Parameters<typeof build>[0]): Promise<string> {
  const parts: string[] = [];
  for (const name of lazyPackages) {
    const { outputFiles } = await build({
      ...options,
      absWorkingDir: directory,
      stdin: { contents: `module.exports = require(${JSON.stringify(name)});`, resolveDir: directory },
      write: false,
    });
    const text = outputFiles[0]?.text.trimEnd() ?? '';
    parts.push(`//# lazy ${name}`, ...text.split('\n').map(line => `//${line}`), '//# end');
  }
  return `\n${parts.join('\n')}\n`;
}
