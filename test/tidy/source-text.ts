/** One file of TypeScript taken apart. All three texts have the length and the line breaks of the original; blanks stand for the rest. */
export interface SourceText {
  /** Without comments and without what stands in string, template and regular expression literals; their quotes stay. */
  readonly code: string;
  /** Without comments only. */
  readonly codeWithStrings: string;
  /** The comments only. */
  readonly comments: string;
}

/** After one of these a slash begins a regular expression; after a name, a number or a closing bracket it divides. */
const beforeRegExp =
  /(?:^|[=(,:;!&|?{}[\]+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|await))\s*$/;

const tokens = {
  lineComment: /\/\/[^\n]*/y,
  blockComment: /\/\*[\s\S]*?\*\//y,
  quoted: /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y,
  templatePart: /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y,
  regExp: /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y,
};

/** Takes a file apart well enough for rules of layout; it is no parser, and what it takes wrongly shows as a failing rule. */
export function takeApart(text: string): SourceText {
  const isComment = new Uint8Array(text.length);
  const isLiteral = new Uint8Array(text.length);
  // Depth of braces at each `${` that is still open.
  const templates: number[] = [];
  let depth = 0;
  let at = 0;

  const match = (token: RegExp): number => {
    token.lastIndex = at;
    return token.exec(text)?.[0].length ?? 0;
  };
  const literal = (length: number, quotes: number): void => {
    isLiteral.fill(1, at + quotes, at + length - quotes);
    at += length;
  };
  const template = (): void => {
    literal(match(tokens.templatePart), 0);
    if (text[at] === '`') at += 1;
    else if (text.startsWith('${', at)) {
      templates.push(depth);
      depth += 1;
      at += 2;
    }
  };

  while (at < text.length) {
    const start = at;
    switch (text[at]) {
      case '/': {
        const comment = match(tokens.lineComment) || match(tokens.blockComment);
        if (comment > 0) {
          isComment.fill(1, at, at + comment);
          at += comment;
        } else if (beforeRegExp.test(text.slice(Math.max(0, at - 20), at))) literal(match(tokens.regExp), 1);
        break;
      }
      case "'":
      case '"':
        literal(match(tokens.quoted), 1);
        break;
      case '`':
        at += 1;
        template();
        break;
      case '{':
        depth += 1;
        break;
      case '}':
        depth -= 1;
        if (templates.at(-1) === depth) {
          templates.pop();
          at += 1;
          template();
        }
        break;
    }
    if (at === start) at += 1;
  }
  return {
    code: blank(text, index => isComment[index] === 1 || isLiteral[index] === 1),
    codeWithStrings: blank(text, index => isComment[index] === 1),
    comments: blank(text, index => isComment[index] === 0),
  };
}

function blank(text: string, isBlank: (index: number) => boolean): string {
  let result = '';
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    result += character !== '\n' && isBlank(index) ? ' ' : character;
  }
  return result;
}
