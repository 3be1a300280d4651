import { type IstioKind, istioKinds, kindOfObject, meshConfigTypeUrl } from '../istio/kinds.ts';
import { type MeshResource, meshConfigOf, meshResourceOf } from '../istio/mesh-resource.ts';
import { problemText, type SpecProblem } from '../proto/json-reader.ts';
import { digestOf } from '../xds/digest.ts';
import { nearest } from '../xds/nearest.ts';
import type { TypeUrl } from '../xds/types.ts';
import { type ObjectOutline, type ObjectPath, readText, type TextDocument } from './manifest-text.ts';

/** What a file of manifests holds. */
export interface Manifest {
  /** The file as messages name it: its path. */
  readonly file: string;
  /** In the order of the file. The configuration of the mesh is one of them, of the type `core/v1alpha1/MeshConfig`. */
  readonly resources: readonly ManifestResource[];
  /** The first of what is wrong; `wrong` speaks of all of it. */
  readonly problems: readonly ManifestProblem[];
  /** Of which types the file may hold something that could not be read: none, these, or `any` where nobody can tell. */
  readonly wrong: ReadonlySet<TypeUrl> | 'any';
  /** Objects that are none of Istio's configuration. */
  readonly passedOver: number;
  /** Not one byte is in it, as when a disk is full or somebody has only begun to write. */
  readonly isBlank: boolean;
}

/** One resource of a file. */
export interface ManifestResource {
  readonly typeUrl: TypeUrl;
  /** How messages call it, such as `VirtualService shop/cart`. */
  readonly label: string;
  /** For the configuration of the mesh `any` is a bare MeshConfig, and the name says nothing. */
  readonly resource: MeshResource;
  /** Where it begins, from 1. */
  readonly line: number;
}

/** Something in a file that keeps it from being used. */
export interface ManifestProblem {
  readonly file: string;
  /** From 1; undefined where the file as a whole is meant. */
  readonly line: number | undefined;
  readonly text: string;
  /** Of which types something may be missing because of it; `any` where nobody can tell. */
  readonly concerns: readonly TypeUrl[] | 'any';
}

/** What is taken from a file, and how much of it. */
export interface ManifestLimits {
  /** Namespace of objects that name none. */
  readonly defaultNamespace: string;
  readonly fileBytesMax: number;
  readonly objectsMax: number;
}

/** Problems of a file that are kept. */
const problemsMax = 50;
const groups = new Set(istioKinds.map(({ group }) => group));

/**
 * Reads a file of manifests in YAML or JSON: any number of documents, comments, anchors, `kind: List`, and the lists that the Kubernetes API
 * gives. Objects that are none of Istio's are passed over and counted. What a mistake was meant to be is not guessed: it is a problem, and
 * says which types it may concern.
 *
 * The configuration of the mesh is taken from where istiod has it, from `data.mesh` of a ConfigMap `istio` or `istio-REVISION`, or from a
 * file `mesh.yaml`, `mesh.yml`, `mesh.json` or `mesh` (the key of a ConfigMap that was mounted), which holds the bare fields.
 *
 * A version is always made of the content. `metadata.resourceVersion` of an object that was once read from a cluster does not change when
 * the file is edited, and istiod passes over a change that has the version of what it holds.
 *
 * @param content is kept by nobody
 * @returns what was read. It never throws.
 */
export function readManifest(file: string, content: Buffer, limits: ManifestLimits): Manifest {
  if (content.length > limits.fileBytesMax) {
    return unreadManifest(
      file,
      `has ${content.length} bytes, the most is ${limits.fileBytesMax}; split it, or raise --file-bytes-max`,
    );
  }
  const text = decode(content);
  if (text === undefined) return unreadManifest(file, 'is no UTF-8 text');
  const { documents, problems } = readText(text, {
    documentsMax: limits.objectsMax,
    expandedMax: limits.fileBytesMax,
  });
  const found = new Findings(file, limits);
  for (const { line, text, outline } of problems) {
    const concerns = outline ? concernsOfOutline(outline) : 'any';
    if (concerns === undefined) found.passedOver += 1;
    else found.problem(line, text, concerns);
  }
  for (const document of documents) {
    if (document.value !== null && document.value !== undefined) readObject(found, document, [], document.value);
  }
  return found.manifest(content.length === 0);
}

/** A file of which nothing is known but why. @param text without its subject, which is the file */
export function unreadManifest(file: string, text: string): Manifest {
  const problems: ManifestProblem[] = [{ file, line: undefined, text, concerns: 'any' }];
  return { file, resources: [], problems, wrong: 'any', passedOver: 0, isBlank: false };
}

/** A problem as people read it, `FILE:LINE: TEXT`. */
export function formatProblem({ file, line, text }: ManifestProblem): string {
  return line === undefined ? `${file}: ${text}` : `${file}:${line}: ${text}`;
}

/** Whether a file of this name is read. Hidden ones never are: editors and Kubernetes keep their own there. @param name without its folder */
export function isManifestName(name: string): boolean {
  return !name.startsWith('.') && (name === 'mesh' || /\.(ya?ml|json)$/i.test(name));
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(content: Buffer): string | undefined {
  try {
    return utf8.decode(content);
  } catch {
    // The one reason for which it throws.
    return undefined;
  }
}

/** What has been found in a file so far. */
class Findings {
  readonly limits: ManifestLimits;
  readonly isMeshFile: boolean;
  passedOver = 0;
  readonly resources: ManifestResource[] = [];
  readonly #file: string;
  readonly #problems: ManifestProblem[] = [];
  readonly #wrong = new Set<TypeUrl>();
  #isAnyWrong = false;

  constructor(file: string, limits: ManifestLimits) {
    this.#file = file;
    this.limits = limits;
    this.isMeshFile = /(^|[\\/])mesh(\.ya?ml|\.json)?$/i.test(file);
  }

  problem(line: number | undefined, text: string, concerns: ManifestProblem['concerns']): void {
    if (this.#problems.length < problemsMax) this.#problems.push({ file: this.#file, line, text, concerns });
    if (concerns === 'any') this.#isAnyWrong = true;
    else for (const typeUrl of concerns) this.#wrong.add(typeUrl);
  }

  manifest(isBlank: boolean): Manifest {
    return {
      file: this.#file,
      resources: this.resources,
      problems: this.#problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
      wrong: this.#isAnyWrong ? 'any' : this.#wrong,
      passedOver: this.passedOver,
      isBlank,
    };
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param path where the object is in its document */
function readObject(found: Findings, document: TextDocument, path: ObjectPath, object: unknown): void {
  const problem = (text: string, concerns: ManifestProblem['concerns'], ...at: ObjectPath): void =>
    found.problem(document.lineOf([...path, ...at]), text, concerns);
  if (!isFields(object)) {
    problem('is no object: a manifest begins with apiVersion and kind', 'any');
    return;
  }
  const { apiVersion, kind } = object;
  if (apiVersion === undefined && kind === undefined) {
    if (found.isMeshFile && path.length === 0) readMeshConfig(found, object, at => document.lineOf(at));
    else found.passedOver += 1;
    return;
  }
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') {
    const missing = typeof kind !== 'string' ? 'kind' : 'apiVersion';
    const concerns = concernsOf(apiVersion, kind);
    if (concerns === undefined) found.passedOver += 1;
    else problem(`has no ${missing} that is a text`, concerns);
    return;
  }
  if (isList(apiVersion, kind)) {
    const items = object['items'] ?? [];
    if (!Array.isArray(items)) problem(`${shorten(kind)}: items must be a list`, 'any', 'items');
    else {
      for (const [index, item] of items.entries()) {
        // The API leaves out in the items what the list says.
        const said = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -'List'.length) };
        readObject(found, document, [...path, 'items', index], isFields(item) ? { ...said, ...item } : item);
      }
    }
    return;
  }
  const of = kindOfObject(apiVersion, kind);
  if (of) readResource(found, document, path, of, object);
  else if (apiVersion === 'v1' && kind === 'ConfigMap') readConfigMap(found, document, path, object);
  else {
    const mistake = mistakeIn(apiVersion, kind);
    if (mistake) problem(mistake.text, mistake.concerns, 'kind');
    else found.passedOver += 1;
  }
}

function isList(apiVersion: string, kind: string): boolean {
  return kind.endsWith('List') && (apiVersion === 'v1' || groups.has(groupOf(apiVersion)));
}

const groupOf = (apiVersion: string): string => apiVersion.slice(0, Math.max(0, apiVersion.indexOf('/')));

/** Types that an object may be of that lacks half of what says so; undefined when it is none of Istio's. */
function concernsOf(apiVersion: unknown, kind: unknown): readonly TypeUrl[] | undefined {
  const group = typeof apiVersion === 'string' ? groupOf(apiVersion) : undefined;
  const concerned = istioKinds.filter(one => one.group === group || (apiVersion === undefined && one.kind === kind));
  return concerned.length > 0 ? concerned.map(({ typeUrl }) => typeUrl) : undefined;
}

/** Types that a document may be of that cannot be used; undefined when it is somebody else's. */
function concernsOfOutline({ apiVersion, kind }: ObjectOutline): ManifestProblem['concerns'] | undefined {
  if (apiVersion === undefined || kind === undefined || isList(apiVersion, kind)) return 'any';
  const of = kindOfObject(apiVersion, kind);
  if (of) return [of.typeUrl];
  if (apiVersion === 'v1' && kind === 'ConfigMap') return [meshConfigTypeUrl];
  return mistakeIn(apiVersion, kind)?.concerns;
}

/** What an object is that speaks of Istio and is none of its kinds; undefined when it is somebody else's. */
function mistakeIn(
  apiVersion: string,
  kind: string,
): { readonly text: string; readonly concerns: readonly TypeUrl[] } | undefined {
  const group = groupOf(apiVersion);
  const known = istioKinds.find(one => one.kind === kind);
  const written = `${shorten(apiVersion)} ${shorten(kind)}`;
  if (known?.group === group) {
    const versions = known.versions.map(version => `${group}/${version}`).join(', ');
    return { text: `${written} is not known; ${kind} is read as ${versions}`, concerns: [known.typeUrl] };
  }
  if (groups.has(group)) {
    const inGroup = istioKinds.filter(one => one.group === group);
    const meant = known ? `; did you mean ${known.group}/${known.versions[0]} ${kind}?` : near(kind, inGroup);
    const concerned = known ? [known, ...inGroup] : inGroup;
    return { text: `${written} is not known${meant}`, concerns: concerned.map(({ typeUrl }) => typeUrl) };
  }
  if (!group.includes('istio')) return undefined;
  if (kind === 'MeshConfig') {
    const text = `${written} is no object of Kubernetes; put its fields into a file mesh.yaml, or under data.mesh of a ConfigMap istio`;
    return { text, concerns: [meshConfigTypeUrl] };
  }
  if (!known) return undefined;
  return { text: `${written} is not known; did you mean ${known.group}?`, concerns: [known.typeUrl] };

  function near(wrong: string, kinds: readonly IstioKind[]): string {
    const name = nearest(
      wrong,
      kinds.map(one => one.kind),
    );
    return name === undefined ? `; ${group} has ${kinds.map(one => one.kind).join(', ')}` : `; did you mean ${name}?`;
  }
}

const shorten = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

function readResource(found: Findings, document: TextDocument, path: ObjectPath, of: IstioKind, object: Fields): void {
  const { defaultNamespace } = found.limits;
  const resource = meshResourceOf(of, withoutResourceVersion(object), { defaultNamespace });
  if ('problems' in resource) {
    const label = labelOf(of, object, defaultNamespace);
    addProblems(found, resource.problems, label, of.typeUrl, at => document.lineOf([...path, ...at]));
    return;
  }
  const line = document.lineOf(path);
  found.resources.push({ typeUrl: of.typeUrl, label: `${of.kind} ${resource.name}`, resource, line });
}

/** What an object is called whose name may be wrong. */
function labelOf({ kind }: IstioKind, { metadata }: Fields, defaultNamespace: string): string {
  if (!isFields(metadata) || typeof metadata['name'] !== 'string') return kind;
  const { name, namespace = defaultNamespace } = metadata;
  return shorten(typeof namespace === 'string' ? `${kind} ${namespace}/${name}` : `${kind} ${name}`);
}

function withoutResourceVersion(object: Fields): Fields {
  const { metadata } = object;
  if (!isFields(metadata) || metadata['resourceVersion'] === undefined) return object;
  return { ...object, metadata: { ...metadata, resourceVersion: undefined } };
}

function addProblems(
  found: Findings,
  problems: readonly SpecProblem[],
  label: string,
  typeUrl: TypeUrl,
  lineOf: (path: ObjectPath) => number,
): void {
  for (const one of problems) found.problem(lineOf(one.path), `${label}: ${problemText(one)}`, [typeUrl]);
}

/** @param lineOf the line of the file for a path within the configuration of the mesh */
function readMeshConfig(found: Findings, config: unknown, lineOf: (path: ObjectPath) => number): void {
  const any = meshConfigOf(config);
  if ('problems' in any) {
    addProblems(found, any.problems, 'MeshConfig', meshConfigTypeUrl, lineOf);
    return;
  }
  const resource: MeshResource = { name: 'mesh', version: digestOf(any), any };
  found.resources.push({ typeUrl: meshConfigTypeUrl, label: 'MeshConfig', resource, line: lineOf([]) });
}

function readConfigMap(found: Findings, document: TextDocument, path: ObjectPath, object: Fields): void {
  const { metadata, data } = object;
  const name = isFields(metadata) ? metadata['name'] : undefined;
  const mesh = isFields(data) ? data['mesh'] : undefined;
  if (mesh === undefined || typeof name !== 'string' || !/^istio(-|$)/.test(name)) {
    found.passedOver += 1;
    return;
  }
  const at = [...path, 'data', 'mesh'];
  if (typeof mesh !== 'string') {
    found.problem(document.lineOf(at), 'MeshConfig: data.mesh must be a text', [meshConfigTypeUrl]);
    return;
  }
  const first = document.blockLineOf(at);
  const lineIn = (line: number): number => (first === undefined ? document.lineOf(at) : first + line - 1);
  const { documents, problems } = readText(mesh, { documentsMax: 1, expandedMax: found.limits.fileBytesMax });
  for (const { line, text } of problems) {
    found.problem(lineIn(line ?? 1), `MeshConfig: data.mesh ${text}`, [meshConfigTypeUrl]);
  }
  if (problems.length > 0) return;
  const [inner] = documents;
  readMeshConfig(found, inner?.value, inside => lineIn(inner?.lineOf(inside) ?? 1));
}
