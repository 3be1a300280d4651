import { type IstioKind, istioKinds, meshConfigTypeUrl } from '../istio/kinds.ts';
import type { MeshResource } from '../istio/mesh-resource.ts';
import type { TypeUrl } from '../xds/types.ts';
import { TroubleBook } from './folder-troubles.ts';
import type { Manifest, ManifestProblem, ManifestResource } from './manifest.ts';
import type { SourceEvent } from './source-events.ts';

/** What a look at a folder found. */
export type FolderLook =
  | {
      readonly kind: 'seen';
      /** Every manifest by path, in the order of the paths. One that has not changed is the same object as before. */
      readonly files: ReadonlyMap<string, Manifest>;
      /** Folders inside that could not be read: why, by path. */
      readonly lostFolders: ReadonlyMap<string, string>;
    }
  /** The folder as a whole could not be read. */
  | { readonly kind: 'failed'; readonly text: string };

/** How much a folder holds. */
export interface FolderCounts {
  readonly files: number;
  /** Resources that are told, the configuration of the mesh included. */
  readonly resources: number;
  /** Objects that are none of Istio's. */
  readonly passedOver: number;
}

/** What is held of a file. */
interface HeldFile {
  /** As it was seen last, good or bad. */
  readonly manifest: Manifest;
  /** What counts: the last good content. */
  readonly resources: readonly ManifestResource[];
  /** What other files held that are gone, and may be in this one; no file is known to hold it. */
  readonly inherited: readonly ManifestResource[];
  /** Types of which the file was never good. Empty once all of it was. */
  readonly unknown: ReadonlySet<TypeUrl>;
}

interface Claim {
  readonly file: string;
  readonly found: ManifestResource;
}

type Claims = ReadonlyMap<TypeUrl, ReadonlyMap<string, Claim>>;

const noTypes: ReadonlySet<TypeUrl> = new Set();
const allTypes: ReadonlySet<TypeUrl> = new Set([...istioKinds.map(({ typeUrl }) => typeUrl), meshConfigTypeUrl]);

/**
 * Which files of a folder hold which resources, and what a source is to be told of it.
 *
 * istiod deletes what a list lacks, so the rules are those of somebody who would rather be late than wrong:
 * - A file with a mistake goes on with its last good content as a whole.
 * - A file that was never good counts for the kinds that are in order in it. A kind of which it may hold something is not told for the first
 *   time before the file is mended or removed. One that appears while others disappear may be one of them under a new name, and takes over
 *   what they held.
 * - A file that was emptied to the last byte keeps what it held; it is to be removed.
 * - Of a resource that stands in two places the one that was there first counts, at the start the first in the order of the paths.
 * - A folder that cannot be read, or holds more than is allowed, changes nothing.
 */
export class FolderState {
  readonly #folder: string;
  readonly #objectsMax: number;
  readonly #troubles = new TroubleBook();
  #files: ReadonlyMap<string, HeldFile> = new Map();
  #lostFolders: ReadonlyMap<string, string> = new Map();
  #claims: Claims = new Map();
  #problems: readonly ManifestProblem[] = [];
  /** What was told, by type; a type that is not in it was never told. */
  readonly #told = new Map<TypeUrl, ReadonlyMap<string, MeshResource>>();

  /**
   * @param folder as messages name it
   * @param objectsMax for all files together
   */
  constructor(folder: string, objectsMax: number) {
    this.#folder = folder;
    this.#objectsMax = objectsMax;
  }

  /** All that is wrong at the moment, in the order of files and lines. */
  get problems(): readonly ManifestProblem[] {
    return this.#problems;
  }

  get counts(): FolderCounts {
    let [resources, passedOver] = [0, 0];
    for (const claims of this.#claims.values()) resources += claims.size;
    for (const { manifest } of this.#files.values()) passedOver += manifest.passedOver;
    return { files: this.#files.size, resources, passedOver };
  }

  /** Takes in what a look found. Returns what is to be told, contents first. */
  apply(look: FolderLook): SourceEvent[] {
    if (look.kind === 'failed') return this.#fail(look.text);
    const files = heldFiles(this.#files, look);
    let objects = 0;
    for (const { resources, inherited } of files.values()) objects += resources.length + inherited.length;
    if (objects > this.#objectsMax) {
      return this.#fail(`holds ${objects} objects of Istio, the most is ${this.#objectsMax}; raise --objects-max`);
    }
    this.#files = files;
    this.#lostFolders = look.lostFolders;
    const problems = problemsOf(files, look.lostFolders);
    this.#claims = claimsOf(files, this.#claims, problems);
    this.#problems = problems.toSorted(byPlace);
    const events = [...this.#tell()];
    events.push(...this.#troubles.take(this.#problems, this.#untold()));
    return events;
  }

  #fail(text: string): SourceEvent[] {
    const problem: ManifestProblem = { file: this.#folder, line: undefined, text, concerns: 'any' };
    this.#problems = [problem];
    return this.#troubles.fail(problem, this.#untold());
  }

  *#tell(): Generator<SourceEvent> {
    const withheld = new Set(this.#lostFolders.size > 0 ? allTypes : []);
    for (const { unknown } of this.#files.values()) for (const typeUrl of unknown) withheld.add(typeUrl);
    for (const of of istioKinds) {
      const now = resourcesOf(this.#claims.get(of.typeUrl));
      const told = this.#told.get(of.typeUrl);
      if (told) yield* changeOf(of, told, now);
      else if (withheld.has(of.typeUrl)) continue;
      else yield { kind: 'whole', of, resources: [...now.values()] };
      this.#told.set(of.typeUrl, now);
    }
    const now = resourcesOf(this.#claims.get(meshConfigTypeUrl));
    const told = this.#told.get(meshConfigTypeUrl);
    if (!told && withheld.has(meshConfigTypeUrl)) return;
    this.#told.set(meshConfigTypeUrl, now);
    const [before, mesh] = [onlyOf(told), onlyOf(now)];
    if (!told || before?.version !== mesh?.version) yield { kind: 'mesh_config', any: mesh?.any };
  }

  /** Types that were never told. */
  #untold(): ReadonlySet<TypeUrl> {
    return new Set([...allTypes].filter(typeUrl => !this.#told.has(typeUrl)));
  }
}

/** What is wrong in a set of files, and how much they hold. */
export interface ManifestCheck {
  readonly problems: readonly ManifestProblem[];
  readonly counts: FolderCounts;
}

/**
 * Checks a set of files, each by itself and against each other, by the rules by which a folder is read.
 *
 * @param folder as messages name the files as a whole
 * @param look the files as they were read, each by `readManifest`
 */
export function checkManifests(folder: string, look: FolderLook, objectsMax: number): ManifestCheck {
  const state = new FolderState(folder, objectsMax);
  state.apply(look);
  const { problems, counts } = state;
  return { problems, counts };
}

/** What is held of each file after a look, in the order of the paths. */
function heldFiles(
  before: ReadonlyMap<string, HeldFile>,
  { files, lostFolders }: FolderLook & { readonly kind: 'seen' },
): ReadonlyMap<string, HeldFile> {
  const held = new Map<string, HeldFile>();
  for (const [path, manifest] of files) held.set(path, heldOf(before.get(path), manifest));
  const gone: HeldFile[] = [];
  for (const [path, file] of before) {
    if (held.has(path)) continue;
    if (isInside(path, lostFolders)) held.set(path, file);
    else gone.push(file);
  }
  inherit(held, before, gone);
  disinherit(held);
  return new Map([...held].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function isInside(path: string, folders: ReadonlyMap<string, string>): boolean {
  for (const folder of folders.keys()) {
    if (path.startsWith(folder) && /^[\\/]/.test(path.slice(folder.length))) return true;
  }
  return false;
}

function heldOf(before: HeldFile | undefined, manifest: Manifest): HeldFile {
  if (before?.manifest === manifest) return before;
  const { resources, wrong, isBlank } = manifest;
  const isGood = wrong !== 'any' && wrong.size === 0;
  if (before && isBlank && holdsSomething(before)) return { ...before, manifest };
  if (isGood) return { manifest, resources, inherited: [], unknown: noTypes };
  if (before?.unknown.size === 0) return { ...before, manifest };
  const bad = wrong === 'any' ? allTypes : wrong;
  const kept = before?.resources.filter(({ typeUrl }) => bad.has(typeUrl)) ?? [];
  const unknown = before ? new Set([...before.unknown].filter(typeUrl => bad.has(typeUrl))) : bad;
  return {
    manifest,
    resources: [...resources.filter(({ typeUrl }) => !bad.has(typeUrl)), ...kept],
    inherited: before?.inherited.filter(({ typeUrl }) => unknown.has(typeUrl)) ?? [],
    unknown,
  };
}

function holdsSomething({ resources, unknown }: HeldFile): boolean {
  return resources.length > 0 || unknown.size > 0;
}

/** Gives what files held that are gone to a file that is new and cannot be read: it may be one of them, renamed and edited at once. */
function inherit(held: Map<string, HeldFile>, before: ReadonlyMap<string, HeldFile>, gone: readonly HeldFile[]): void {
  const heir = [...held].find(([path, { unknown }]) => unknown.size > 0 && !before.has(path));
  if (!heir) return;
  const [path, file] = heir;
  const left = gone.flatMap(({ resources, inherited }) => [...resources, ...inherited]);
  held.set(path, { ...file, inherited: left.filter(({ typeUrl }) => file.unknown.has(typeUrl)) });
}

/** What has turned up in a file is not in another one, now or later. */
function disinherit(held: Map<string, HeldFile>): void {
  const heirs = [...held].filter(([, { inherited }]) => inherited.length > 0);
  if (heirs.length === 0) return;
  const found = new Set([...held.values()].flatMap(({ resources }) => resources.map(({ label }) => label)));
  for (const [path, file] of heirs) {
    held.set(path, { ...file, inherited: file.inherited.filter(({ label }) => !found.has(label)) });
  }
}

function problemsOf(files: ReadonlyMap<string, HeldFile>, lostFolders: ReadonlyMap<string, string>): ManifestProblem[] {
  const problems: ManifestProblem[] = [];
  for (const [file, why] of lostFolders) {
    problems.push({ file, line: undefined, text: `cannot be read: ${why}`, concerns: 'any' });
  }
  for (const held of files.values()) {
    const { file, problems: own, isBlank } = held.manifest;
    problems.push(...own);
    if (!isBlank || !holdsSomething(held)) continue;
    const text = 'is empty, which is taken for an accident; remove the file, and what it held goes with it';
    problems.push({ file, line: undefined, text, concerns: 'any' });
  }
  return problems;
}

/** Who holds what. Of two that hold the same the one that held it before counts, else the first; the other is a problem. */
function claimsOf(files: ReadonlyMap<string, HeldFile>, before: Claims, problems: ManifestProblem[]): Claims {
  const claims = new Map<TypeUrl, Map<string, Claim>>();
  for (const [file, { resources }] of files) {
    for (const found of resources) {
      const { typeUrl, resource } = found;
      const ofType = claims.get(typeUrl) ?? new Map<string, Claim>();
      claims.set(typeUrl, ofType);
      const claim = { file, found };
      const other = ofType.get(resource.name);
      if (!other) {
        ofType.set(resource.name, claim);
        continue;
      }
      const wasMine = before.get(typeUrl)?.get(resource.name)?.file === file;
      const [first, second] = wasMine && other.file !== file ? [claim, other] : [other, claim];
      ofType.set(resource.name, first);
      const text = `${second.found.label} stands in ${first.file}:${first.found.line} as well, and that one counts; remove one of them`;
      problems.push({ file: second.file, line: second.found.line, text, concerns: [typeUrl] });
    }
  }
  for (const [file, { inherited }] of files) {
    for (const found of inherited) {
      const ofType = claims.get(found.typeUrl) ?? new Map<string, Claim>();
      claims.set(found.typeUrl, ofType);
      if (!ofType.has(found.resource.name)) ofType.set(found.resource.name, { file, found });
    }
  }
  return claims;
}

function resourcesOf(claims: ReadonlyMap<string, Claim> | undefined): ReadonlyMap<string, MeshResource> {
  return new Map([...(claims ?? [])].map(([name, { found }]) => [name, found.resource]));
}

function onlyOf(resources: ReadonlyMap<string, MeshResource> | undefined): MeshResource | undefined {
  return resources?.values().next().value;
}

function* changeOf(
  of: IstioKind,
  told: ReadonlyMap<string, MeshResource>,
  now: ReadonlyMap<string, MeshResource>,
): Generator<SourceEvent> {
  const resources = [...now.values()].filter(resource => {
    const before = told.get(resource.name);
    return before !== resource && !(before?.version === resource.version && before.any.equals(resource.any));
  });
  const removed = [...told.keys()].filter(name => !now.has(name));
  if (resources.length + removed.length > 0) yield { kind: 'changed', of, resources, removed };
}

function byPlace(a: ManifestProblem, b: ManifestProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0);
}
