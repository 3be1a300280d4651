import { type IstioKind, istioKinds, meshConfigTypeUrl } from '../istio/kinds.ts';
import type { TypeUrl } from '../xds/types.ts';
import { formatProblem, type ManifestProblem } from './manifest.ts';
import type { SourceEvent } from './source-events.ts';

/** Problems that one text names. */
const namedMax = 5;
const kindByType = new Map(istioKinds.map(kind => [kind.typeUrl, kind]));

/**
 * What is wrong at the moment, as it was told: one text for each kind, and one for what concerns no single kind. A text is told when it
 * changes, and its end once.
 */
export class TroubleBook {
  readonly #told = new Map<IstioKind | undefined, string>();

  /**
   * Takes all problems there are.
   *
   * @param untold types that were not told yet, for what a text says of the consequence
   */
  take(problems: readonly ManifestProblem[], untold: ReadonlySet<TypeUrl>): SourceEvent[] {
    const byKind = Map.groupBy(problems, kindOf);
    const events: SourceEvent[] = [];
    for (const of of [undefined, ...istioKinds]) {
      const found = byKind.get(of);
      if (found) events.push(...this.#set(of, textOf(found, of, untold)));
      else if (this.#told.delete(of)) events.push({ kind: 'recovered', of });
    }
    return events;
  }

  /** Takes a problem of the folder as a whole. It stands in front of others of no single kind; those of kinds stay. */
  fail(problem: ManifestProblem, untold: ReadonlySet<TypeUrl>): SourceEvent[] {
    return this.#set(undefined, textOf([problem], undefined, untold));
  }

  #set(of: IstioKind | undefined, text: string): SourceEvent[] {
    if (this.#told.get(of) === text) return [];
    this.#told.set(of, text);
    return [{ kind: 'trouble', of, text }];
  }
}

/** The kind that a problem is told under. */
function kindOf({ concerns }: ManifestProblem): IstioKind | undefined {
  const [only] = concerns;
  return concerns !== 'any' && concerns.length === 1 && only !== undefined
    ? kindByType.get(only as TypeUrl)
    : undefined;
}

function textOf(problems: readonly ManifestProblem[], of: IstioKind | undefined, untold: ReadonlySet<TypeUrl>): string {
  const named = problems.slice(0, namedMax).map(formatProblem);
  if (problems.length > namedMax) named.push(`and ${problems.length - namedMax} problems more`);
  return `${named.join('; ')}; ${consequenceOf(problems, of, untold)}`;
}

function consequenceOf(
  problems: readonly ManifestProblem[],
  of: IstioKind | undefined,
  untold: ReadonlySet<TypeUrl>,
): string {
  const waiting = [...untold].filter(typeUrl =>
    problems.some(({ concerns }) => concerns === 'any' || concerns.includes(typeUrl)),
  );
  if (waiting.length === 0) return 'what was read before goes on until this is mended';
  const names = waiting.map(typeUrl => (typeUrl === meshConfigTypeUrl ? 'MeshConfig' : kindByType.get(typeUrl)?.kind));
  const what = of ? `no ${of.kind}` : waiting.length > istioKinds.length ? 'nothing' : `none of ${names.join(', ')}`;
  return `${what} is told before this is mended, since istiod deletes what a list lacks`;
}
