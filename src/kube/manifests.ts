import { objectOf } from './data.ts';
import { type Injection, type InjectionContext, inject } from './injection.ts';
import { podTemplatesIn, withValueAt } from './workloads.ts';
import { patchYaml } from './yaml-patch.ts';
import { readYaml } from './yaml-read.ts';

/** What became of one pod template of a text. */
export interface InjectedTemplate {
  /** `Deployment shop/web`. */
  readonly owner: string;
  readonly outcome: Injection;
}

/** A text of manifests after injection. */
export interface InjectedText {
  readonly text: string;
  readonly templates: readonly InjectedTemplate[];
  /** Whether a document had to be written anew as a whole, which costs its comments. */
  readonly isRewritten: boolean;
}

/** A text that cannot be read. */
export interface UnreadableText {
  /** With the line. */
  readonly problem: string;
}

/**
 * Puts Weir into every pod template of a YAML or JSON text. What has none stays byte for byte as it is.
 *
 * @param context but for what each template says itself
 */
export function injectText(
  text: string,
  context: Pick<InjectionContext, 'policy' | 'defaults' | 'version'>,
): InjectedText | UnreadableText {
  const read = readYaml(text);
  if ('problem' in read) {
    const { line, what } = read.problem;
    const hint = text.includes('{{')
      ? '; templates have to be rendered first (helm template … | weir inject -f -)'
      : '';
    return { problem: `line ${line}: ${what}${hint}` };
  }
  const templates: InjectedTemplate[] = [];
  const contents = read.documents.map(({ content }) => {
    let after = content;
    for (const { path, owner, kind, template, ownAnnotations } of podTemplatesIn(objectOf(content) ?? {})) {
      const outcome = inject(template, { ...context, kind, ownAnnotations, leavesInjected: false });
      templates.push({ owner, outcome });
      if (outcome.kind === 'injected') after = withValueAt(after, path, outcome.template);
    }
    return after;
  });
  return { ...patchYaml(text, read.documents, contents), templates };
}
