import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { type SourceText, takeApart } from './source-text.ts';

/** A file as the laws see it. */
export interface TidyFile {
  /** From the root of the clone, with forward slashes. */
  readonly path: string;
  /** Empty when the file is not text. */
  readonly text: string;
  readonly bytes: number;
  /** Only for TypeScript, and for JavaScript modules. */
  readonly source: SourceText | undefined;
  readonly imports: readonly ImportedModule[];
}

/** One module named by an import, an export from, or `import()`. */
export interface ImportedModule {
  /** As written. */
  readonly specifier: string;
  /** Path of the file, for a relative specifier. */
  readonly path: string | undefined;
  readonly kind: 'value' | 'type' | 'dynamic';
  readonly line: number;
}

/** All files under version control or about to be, by path. */
export type Repository = ReadonlyMap<string, TidyFile>;

/** What a law found: where, and what is wrong there. */
export interface Violation {
  readonly path: string;
  /** From 1; absent where the file as a whole is meant. */
  readonly line?: number;
  readonly what: string;
}

/** A rule about files. Each must be seen to fail: `broken` is a tree that violates it and `sound` one that does not. */
export interface Law {
  readonly title: string;
  /** Why it is worth a failing build. */
  readonly reason: string;
  readonly check: (files: Repository) => readonly Violation[];
  readonly broken: readonly SampleTree[];
  readonly sound: SampleTree;
}

/** Texts by path. */
export type SampleTree = Readonly<Record<string, string>>;

/** The line of an index in a text, from 1. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/** Every match of a pattern in part of a file, as violations. */
export function findAll(file: TidyFile, text: string, pattern: RegExp, what: string): Violation[] {
  return [...text.matchAll(new RegExp(pattern, `${pattern.flags.replace('g', '')}g`))].map(found => ({
    path: file.path,
    line: lineAt(text, found.index),
    what: `${found[0].trim()}: ${what}`,
  }));
}

/** The folder of src a path is in, such as `xds`; undefined outside src, empty for a file directly in src. */
export function sourceFolder(path: string): string | undefined {
  const parts = path.split('/');
  if (parts[0] !== 'src') return undefined;
  return parts.length > 2 ? parts[1] : '';
}

const fromClause = /\b(import|export)\s+(type\s)?[^'";()]*?\bfrom\s*(['"])( *)\3/g;
const sideEffect = /\bimport\s*(['"])( *)\1/g;
const dynamic = /\bimport\s*\(\s*(['"])( *)\1/g;

function importsOf(path: string, text: string, source: SourceText): ImportedModule[] {
  const found: ImportedModule[] = [];
  const add = (match: RegExpExecArray, blanks: string, kind: ImportedModule['kind']): void => {
    const end = match.index + match[0].length - 1;
    const specifier = text.slice(end - blanks.length, end);
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
    found.push({ specifier, path: target, kind, line: lineAt(text, end) });
  };
  for (const match of source.code.matchAll(fromClause)) add(match, match[4] ?? '', match[2] ? 'type' : 'value');
  for (const match of source.code.matchAll(sideEffect)) add(match, match[2] ?? '', 'value');
  for (const match of source.code.matchAll(dynamic)) add(match, match[2] ?? '', 'dynamic');
  return found;
}

/** Makes a file from its text. @param bytes its size on disk, where the text is not all of it */
export function tidyFile(path: string, text: string, bytes = Buffer.byteLength(text)): TidyFile {
  const source = /\.(ts|js)$/.test(path) ? takeApart(text) : undefined;
  return { path, text, bytes, source, imports: source === undefined ? [] : importsOf(path, text, source) };
}

/** A tree of samples. */
export function sampleRepository(tree: SampleTree): Repository {
  return new Map(Object.entries(tree).map(([path, text]) => [path, tidyFile(path, text)]));
}

/**
 * Reads the clone: tracked files and new ones that are not ignored.
 *
 * @throws Error when git cannot list them; the laws would hold for nothing
 */
export function readRepository(root: string): Repository {
  const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (git.status !== 0) throw new Error(`git ls-files failed in ${root}: ${git.error?.message ?? git.stderr}`);
  const files = new Map<string, TidyFile>();
  for (const path of git.stdout.split('\0').filter(name => name !== '')) {
    const absolute = join(root, path);
    // Deleted in the work tree and not yet in the index.
    const stats = statSync(absolute, { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile()) continue;
    const content = readFileSync(absolute);
    files.set(path, tidyFile(path, content.includes(0) ? '' : content.toString('utf8'), stats.size));
  }
  if (files.size === 0) throw new Error(`git lists no file in ${root}`);
  return files;
}
