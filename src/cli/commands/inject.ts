import { createTwoFilesPatch } from 'diff';
import { countOf } from '../../admin/words.ts';
import { exitCodes, usageError } from '../../agent/errors.ts';
import type { SettingsLayer } from '../../kube/injection-settings.ts';
import { type InjectedTemplate, type InjectedText, injectText } from '../../kube/manifests.ts';
import { type DefaultsOptions, defaultLayers } from '../injection-defaults.ts';
import { isJson, print } from '../output.ts';
import { paintFor } from '../paint.ts';
import { weirVersion } from '../version.ts';
import { readText, writeWhole } from '../whole-file.ts';

/** Options of `weir inject`. */
export interface InjectOptions extends DefaultsOptions {
  readonly file?: readonly string[] | undefined;
  readonly dryRun?: boolean | undefined;
  readonly inPlace?: boolean | undefined;
  readonly out?: string | undefined;
  readonly output: string;
}

/** Largest text of manifests. */
const bytesMax = 64 * 1024 * 1024;
const newFileMode = 0o644;

interface FileResult extends InjectedText {
  readonly file: string;
  readonly before: string;
}

/** `weir inject`: puts Weir into manifests. Resolves to 0; to 1, with nothing written, when a pod template cannot be injected as it asks. */
export async function injectFiles(options: InjectOptions): Promise<number> {
  const files = options.file ?? [];
  if (files.length === 0) throw usageError('-f FILE says which manifests; - reads standard input');
  if (options.inPlace && files.includes('-')) throw usageError('--in-place needs a file, not standard input');
  if (options.inPlace && options.out !== undefined) throw usageError('give --in-place or --out, not both');
  const asJson = isJson(options.output);
  const defaults = await defaultLayers(options);
  const results: FileResult[] = [];
  for (const file of files) results.push(injectFile(file, defaults));
  const isWrong = results.some(({ templates }) => templates.some(({ outcome }) => outcome.kind === 'invalid'));
  if (asJson) console.log(JSON.stringify({ files: results.map(reportOf) }, undefined, 2));
  else for (const result of results) tell(result, files.length > 1);
  if (isWrong) {
    if (!asJson) console.error('weir: nothing was written');
    return exitCodes.failed;
  }
  if (options.dryRun) {
    if (!asJson) for (const result of results) await print(differenceOf(result));
  } else if (options.inPlace) {
    for (const { file, before, text } of results) if (text !== before) writeWhole(file, text, newFileMode);
  } else if (options.out !== undefined) writeWhole(options.out, joined(results), newFileMode);
  else if (!asJson) await print(joined(results));
  return exitCodes.ok;
}

function injectFile(file: string, defaults: readonly SettingsLayer[]): FileResult {
  const before = readText(file, bytesMax);
  const done = injectText(before, { policy: 'opt-out', defaults, version: weirVersion });
  if ('problem' in done) throw usageError(`${titleOf(file)}, ${done.problem}`);
  return { file, before, ...done };
}

/** What is said of each pod template goes to standard error: standard output has the manifests, for kubectl. */
function tell({ file, templates, isRewritten }: FileResult, hasSeveral: boolean): void {
  const where = hasSeveral ? `${titleOf(file)}: ` : '';
  if (templates.length === 0) console.error(`weir: ${where}there is no pod in it; it is passed on as it is`);
  for (const { owner, outcome } of templates) console.error(`weir: ${where}${owner} ${wordsOf(outcome)}`);
  if (isRewritten) {
    console.error(`weir: ${where}a document with aliases or a form of its own was written anew; its comments are lost`);
  }
}

function wordsOf(outcome: InjectedTemplate['outcome']): string {
  switch (outcome.kind) {
    case 'injected':
      return 'is injected';
    case 'unchanged':
      return 'has it already';
    case 'skipped':
      return `is left as it is: ${outcome.reason}`;
    case 'invalid':
      return `cannot be injected: ${outcome.problems.join('; ')}`;
  }
}

function reportOf({ file, before, text, templates, isRewritten }: FileResult): unknown {
  return {
    file,
    isChanged: text !== before,
    isRewritten,
    templates: templates.map(({ owner, outcome }) => ({
      owner,
      outcome: outcome.kind,
      ...(outcome.kind === 'skipped' ? { reason: outcome.reason } : {}),
      ...(outcome.kind === 'invalid' ? { problems: outcome.problems } : {}),
    })),
    text,
  };
}

function differenceOf({ file, before, text, templates }: FileResult): string {
  if (before === text) return '';
  const paint = paintFor(process.stdout, process.env);
  const changed = templates.filter(({ outcome }) => outcome.kind === 'injected').length;
  const patch = createTwoFilesPatch(file, file, before, text, 'as it is', `with Weir in ${countOf(changed, 'pod')}`);
  return patch
    .split('\n')
    .slice(1)
    .map(line => (/^\+(?!\+\+ )/.test(line) ? paint.good(line) : /^-(?!-- )/.test(line) ? paint.bad(line) : line))
    .join('\n');
}

/** Several files as one stream of documents. */
function joined(results: readonly FileResult[]): string {
  return results
    .map(({ text }, at) => (at === 0 || text.startsWith('---') ? text : `---\n${text}`))
    .map((text, at) => (at < results.length - 1 && text !== '' && !text.endsWith('\n') ? `${text}\n` : text))
    .join('');
}

function titleOf(file: string): string {
  return file === '-' ? 'standard input' : file;
}
