import { type Answer, type Failure, readListPage, readWatchLine, statusMessage } from './kubernetes-answers.ts';
import type { KubernetesSettings } from './kubernetes-settings.ts';
import type { KnownObject, ObjectTable } from './kubernetes-state.ts';
import { tooLong } from './line-splitter.ts';
import type { Troubles } from './troubles.ts';

/** A collection of the Kubernetes API that is read: the objects of one resource in one namespace, or in all of them. */
export interface Collection {
  /** How texts call it: `VirtualServices of namespace shop`. */
  readonly title: string;
  /** '' for all of them. */
  readonly namespace: string;
  /** Its path in each version, the preferred one first. At least one. */
  readonly paths: readonly string[];
  /** Which of its objects are meant, `metadata.name=istio`; '' for all. */
  readonly fieldSelector: string;
  /** What a Role has to allow: `get, list and watch on virtualservices.networking.istio.io`. */
  readonly rule: string;
  /** What to do when the API server knows none of its paths. */
  readonly whenUnknown: string;
}

/** What is to be done next. */
export type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  /** Ask for a page of a list. */
  | { readonly kind: 'list'; readonly path: string }
  /** Watch until it ends, for at most `ms`. */
  | { readonly kind: 'watch'; readonly path: string; readonly ms: number };

/** What is allowed, out of the settings. */
export type CollectionLimits = Pick<
  KubernetesSettings,
  'pageSize' | 'resyncMs' | 'backoffMinMs' | 'backoffMaxMs' | 'objectsMax' | 'objectBytesMax'
>;

/** What the reader needs of an {@link ObjectTable}. */
type Table = Pick<ObjectTable<unknown>, 'nameOf' | 'read' | 'listed' | 'changed' | 'room'>;

type Changes = Map<string, KnownObject<unknown> | undefined>;

/** What is to be done when a watch is not read any further. */
type Ending = () => void;

const [unauthorized, forbidden, notFound, gone, tooManyRequests] = [401, 403, 404, 410, 429] as const;

/** Watches are ended by the API server after one to two times this long, as client-go has it: no two of them come back at one moment. */
const watchMsMin = 300_000;
/** How much longer than it was asked for a watch may take to end. */
const graceMs = 10_000;
/** A watch that ends sooner and brought nothing is no reason to open the next one at once. */
const briefMs = 1_000;
/** How often in a row an answer that may be over in a moment is not told as trouble. */
const patienceMax = 2;
/** A list that is due within this time is due. */
const dueMs = 20;

/**
 * Reads one collection: lists it page by page, watches it from there, goes on where the watch ended, and lists again when the version is too old (410),
 * after failures, and from time to time. It decides only; a shell carries the steps out and says what came of them.
 */
export class CollectionReader {
  // Set once.
  readonly #collection: Collection;
  readonly #table: Table;
  readonly #troubles: Troubles;
  readonly #server: Troubles;
  readonly #limits: CollectionLimits;
  readonly #random: () => number;
  readonly #cause: string;

  // What is to be done.
  /** How the next list is told; undefined while a watch goes on from the last one. */
  #goal: 'whole' | 'differences' | undefined = 'whole';
  #notBeforeMs = 0;
  #resyncAtMs = 0;
  #failures = 0;
  #patience = patienceMax;

  // The list under way.
  #at = 0;
  #unknownPaths = 0;
  #pageSize: number;
  #next: string | undefined;
  #objects = new Map<string, KnownObject<unknown>>();
  #restarts = 0;

  // The watch.
  #version = '';
  #openedAtMs = 0;
  #isQuiet = true;

  /**
   * @param troubles of the kind
   * @param server troubles that concern no single kind: the API server is away, or does not know who asks
   */
  constructor(
    collection: Collection,
    table: Table,
    troubles: Troubles,
    server: Troubles,
    limits: CollectionLimits,
    random: () => number,
  ) {
    this.#collection = collection;
    this.#table = table;
    this.#troubles = troubles;
    this.#server = server;
    this.#limits = limits;
    this.#random = random;
    this.#pageSize = limits.pageSize;
    this.#cause = `collection ${collection.namespace}`;
  }

  /** What to do now. */
  next(nowMs: number): Step {
    if (nowMs < this.#notBeforeMs) return { kind: 'wait', ms: this.#notBeforeMs - nowMs };
    const untilResyncMs = this.#resyncAtMs - nowMs;
    if (untilResyncMs < dueMs) this.#goal ??= 'differences';
    if (this.#goal !== undefined)
      return { kind: 'list', path: this.#path({ limit: this.#pageSize, continue: this.#next }) };
    const watchMs = Math.min(watchMsMin * (1 + this.#random()), untilResyncMs);
    const path = this.#path({
      watch: 1,
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version,
      timeoutSeconds: Math.max(1, Math.ceil(watchMs / 1000)),
    });
    return { kind: 'watch', path, ms: Math.min(watchMs + graceMs, untilResyncMs) };
  }

  /** A page came, or the answer that there is none. */
  listAnswered(nowMs: number, answer: Answer): void {
    this.#reached(answer.status);
    if (answer.status !== 200) return this.#refused(nowMs, answer, 'list');
    this.#unknownPaths = 0;
    this.#patience = patienceMax;
    const page = readListPage(answer.body);
    if (typeof page === 'string') return this.#fail(nowMs, 'no list', page);
    const room = this.#table.room(this.#collection.namespace);
    for (const object of page.objects) {
      const name = this.#table.nameOf(this.#collection.namespace, object);
      if (typeof name !== 'string') return this.#fail(nowMs, 'bad object', name.problem);
      this.#objects.set(name, this.#read(object, answer.body.length));
      if (this.#objects.size > room) return this.#tooMany(nowMs);
    }
    this.#next = page.next;
    if (page.next !== undefined) return;
    const objects = this.#objects;
    const isWhole = this.#goal === 'whole';
    this.#beginList();
    this.#goal = undefined;
    this.#version = page.version;
    this.#resyncAtMs = nowMs + this.#limits.resyncMs;
    this.#table.listed(this.#collection.namespace, objects, isWhole);
  }

  /** A page was larger than may be held: smaller ones are asked for. */
  listTooLarge(nowMs: number, bytesMax: number): void {
    this.#beginList();
    if (this.#pageSize > 1) this.#pageSize = Math.ceil(this.#pageSize / 2);
    else this.#fail(nowMs, 'too large', `a single object has more than ${bytesMax} bytes; make it smaller`);
  }

  /** A request got no answer. */
  failed(nowMs: number, { kind, text }: Failure): void {
    if (kind === 'broken') return this.#passing(nowMs, kind, text);
    this.#server.begin({ cause: kind, mark: kind, text });
    this.#listAfterDelay(nowMs);
  }

  /** A watch was answered. @returns whether its lines are to be read */
  watchAnswered(nowMs: number, answer: Answer): boolean {
    this.#reached(answer.status);
    if (answer.status !== 200) {
      this.#refused(nowMs, answer, 'watch');
      return false;
    }
    this.#openedAtMs = nowMs;
    this.#isQuiet = true;
    this.#patience = patienceMax;
    this.#troubles.end(this.#cause);
    return true;
  }

  /** Lines of a watch came. @returns whether to go on reading it */
  watchLines(nowMs: number, lines: readonly (Buffer | typeof tooLong)[]): boolean {
    const changes: Changes = new Map();
    let ending: Ending | undefined;
    for (const bytes of lines) {
      // Whose object a line that is too long tells of stands in the part that was not kept; a list will name it.
      ending = bytes === tooLong ? () => this.#listAs('differences') : this.#take(nowMs, bytes, changes);
      if (ending) break;
    }
    if (!this.#apply(changes)) ending = () => this.#tooMany(nowMs);
    ending?.();
    return ending === undefined;
  }

  /** A watch that was answered with 200 is over, however it ended: it goes on from the last version. */
  watchEnded(nowMs: number): void {
    if (!this.#isQuiet) return;
    if (nowMs - this.#openedAtMs < briefMs) this.#backOff(nowMs);
    else this.#thrives();
  }

  /** Takes a line of a watch. @returns what ends the watch, undefined to go on */
  #take(nowMs: number, bytes: Buffer, changes: Changes): Ending | undefined {
    const line = readWatchLine(bytes);
    switch (line.kind) {
      case 'malformed':
        return () => this.#fail(nowMs, 'malformed', `${line.text}; everything is listed again`);
      case 'error':
        if (line.code === gone) return () => this.#gone(nowMs);
        return () => this.#fail(nowMs, `error ${line.code}`, `its watch ended with ${said(line.code, line.message)}`);
      case 'bookmark':
        break;
      default: {
        const name = this.#table.nameOf(this.#collection.namespace, line.object);
        if (typeof name !== 'string') return () => this.#fail(nowMs, 'bad object', name.problem);
        // Made again after it was deleted it is another object, which does not inherit what the old one was.
        if (changes.get(name) === undefined && changes.has(name)) {
          if (!this.#apply(changes)) return () => this.#tooMany(nowMs);
          changes.clear();
        }
        changes.set(name, line.kind === 'set' ? this.#read(line.object, bytes.length) : undefined);
      }
    }
    this.#version = line.version;
    this.#isQuiet = false;
    this.#thrives();
    return undefined;
  }

  /** @param bytes of the text that holds the object */
  #read(object: unknown, bytes: number): KnownObject<unknown> {
    const { objectBytesMax } = this.#limits;
    // Written out again only where it can be too large at all.
    const size = bytes > objectBytesMax ? Buffer.byteLength(JSON.stringify(object)) : 0;
    const excess =
      size > objectBytesMax ? `it has ${size} bytes, the most is ${objectBytesMax} (--object-bytes-max)` : undefined;
    return this.#table.read(this.#collection.namespace, object, excess);
  }

  #apply(changes: Changes): boolean {
    return this.#table.changed(this.#collection.namespace, changes);
  }

  #path(query: Readonly<Record<string, string | number | undefined>>): string {
    const { paths, fieldSelector } = this.#collection;
    const all = { ...query, fieldSelector: fieldSelector || undefined };
    const pairs = Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
    );
    return `${paths[this.#at]}?${pairs.join('&')}`;
  }

  /** Something answered, and so what hindered all requests is over. */
  #reached(status: number): void {
    this.#server.update([], status === unauthorized ? ['unreachable'] : ['unreachable', 'credentials']);
  }

  /** The watch proves that all is well. */
  #thrives(): void {
    this.#failures = 0;
    this.#restarts = 0;
  }

  #listAs(goal: 'whole' | 'differences'): void {
    this.#goal = this.#goal === 'whole' ? 'whole' : goal;
    this.#beginList();
  }

  #beginList(): void {
    this.#next = undefined;
    this.#objects = new Map();
  }

  /** The version or the page is too old. The first list is at once, those after it are not, until a watch has brought something. */
  #gone(nowMs: number): void {
    this.#listAs('whole');
    if (this.#restarts > 0) this.#backOff(nowMs);
    this.#restarts++;
  }

  #refused(nowMs: number, answer: Answer, verb: 'list' | 'watch'): void {
    const { status, retryAfterMs = 0 } = answer;
    const words = said(status, statusMessage(answer.body));
    if (status === gone) return this.#gone(nowMs);
    if (status === notFound) return this.#unknown(nowMs, words);
    if (status === unauthorized) {
      const text = `the API server does not know who asks (${words}): the token or client certificate has ended or is for another cluster`;
      this.#server.begin({ cause: 'credentials', mark: '401', text });
      this.#listAfterDelay(nowMs);
    } else if (status === forbidden) {
      this.#fail(
        nowMs,
        `${verb} 403`,
        `the API server refuses ${verb} (${words}); allow Weir's account ${this.#collection.rule}`,
      );
    } else {
      const isPassing = status === tooManyRequests || status >= 500;
      const reason = `the API server answered ${verb} with ${words}; it is asked again`;
      if (isPassing) this.#passing(nowMs, `status ${status}`, reason);
      else this.#fail(nowMs, `status ${status}`, reason);
    }
    this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + Math.min(retryAfterMs, this.#limits.backoffMaxMs));
  }

  /** The path is not served; it may be in another version. */
  #unknown(nowMs: number, words: string): void {
    const { paths, whenUnknown } = this.#collection;
    this.#listAs('differences');
    this.#at = (this.#at + 1) % paths.length;
    this.#unknownPaths++;
    if (this.#unknownPaths < paths.length) return;
    this.#unknownPaths = 0;
    this.#fail(nowMs, 'unknown', `the API server does not serve it (${words}); ${whenUnknown}`);
  }

  #tooMany(nowMs: number): void {
    const { objectsMax } = this.#limits;
    this.#fail(
      nowMs,
      'too many',
      `there are more than ${objectsMax} (--objects-max); raise it, or read fewer namespaces`,
    );
  }

  /** What an API server says while it starts, ends or is busy: told when it says so again and again, and a watch stays one. */
  #passing(nowMs: number, mark: string, reason: string): void {
    this.#beginList();
    if (this.#patience === 0) return this.#fail(nowMs, mark, reason);
    this.#patience--;
    this.#backOff(nowMs);
  }

  #fail(nowMs: number, mark: string, reason: string): void {
    const text = `${this.#collection.title} cannot be read: ${reason}; until then it stays as it was read last`;
    this.#troubles.begin({ cause: this.#cause, mark, text });
    this.#listAfterDelay(nowMs);
  }

  #listAfterDelay(nowMs: number): void {
    this.#listAs('differences');
    this.#backOff(nowMs);
  }

  /** Full jitter: those who lost one API server do not come back to it at one moment. */
  #backOff(nowMs: number): void {
    const { backoffMinMs, backoffMaxMs } = this.#limits;
    const boundMs = Math.min(backoffMinMs * 2 ** this.#failures, backoffMaxMs);
    if (boundMs < backoffMaxMs) this.#failures++;
    this.#notBeforeMs = nowMs + this.#random() * boundMs;
  }
}

function said(status: number, message: string): string {
  return message === '' ? `${status}` : `${status}: ${message}`;
}
