import type { Data } from './data.ts';
import { objectOf } from './data.ts';
import { type Injection, type InjectionContext, inject } from './injection.ts';
import { podTemplatesIn, withValueAt } from './workloads.ts';
import { patchYaml, type YamlChange } from './yaml-patch.ts';
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
  const changes: YamlChange[] = [];
  for (const { document, content } of read.documents) {
    const object = objectOf(content);
    if (!object) continue;
    let after: Data = object;
    for (const { path, owner, kind, template, ownAnnotations } of podTemplatesIn(object)) {
      const outcome = inject(template, { ...context, kind, ownAnnotations, leavesInjected: false });
      templates.push({ owner, outcome });
      if (outcome.kind === 'injected') after = objectOf(withValueAt(after, path, outcome.template)) ?? after;
    }
    changes.push({ document, before: object, after });
  }
  const patched = patchYaml(text, changes);
  return { text: patched.text, templates, isRewritten: patched.rewritten.length > 0 };
}
