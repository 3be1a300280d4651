import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { documentLaws } from './tidy/document-laws.ts';
import { importLaws } from './tidy/import-laws.ts';
import { protocolLaw } from './tidy/protocol-law.ts';
import { purityLaw } from './tidy/purity-law.ts';
import { type Law, readRepository, sampleRepository, type Violation } from './tidy/repository.ts';
import { takeApart } from './tidy/source-text.ts';
import { textLaws } from './tidy/text-laws.ts';

// The rules of the house that a program can check. Each law carries a tree that breaks it, so that none passes because it is blind.

const files = readRepository(fileURLToPath(new URL('..', import.meta.url)));
const laws: readonly Law[] = [...importLaws, purityLaw, ...textLaws, protocolLaw, ...documentLaws];

function format({ path, line, what }: Violation): string {
  return `  ${path}${line === undefined ? '' : `:${line}`}  ${what}`;
}

describe('the repository', () => {
  for (const law of laws) {
    test(law.title, () => {
      const violations = law.check(files);
      assert.equal(violations.length, 0, `${law.reason}:\n${violations.map(format).join('\n')}`);
    });
  }
});

describe('a law can fail, and only where it should', () => {
  for (const law of laws) {
    test(law.title, () => {
      for (const tree of law.broken) {
        assert.ok(law.check(sampleRepository(tree)).length > 0, `it overlooks ${JSON.stringify(tree).slice(0, 300)}`);
      }
      assert.deepEqual(law.check(sampleRepository(law.sound)), []);
    });
  }
});

describe('a source is taken apart', () => {
  const cases: readonly (readonly [text: string, code: string])[] = [
    ["a('//b') // c", "a('   ')     "],
    ['a /* b\n c */ d', 'a     \n      d'],
    ["'it\\'s' + b", "'     ' + b"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the sample.
    ['`a${ {b: `c`}.d }e` + f', '` ${ {b: ` `}.d } ` + f'],
    ['x = /[\'"/*]/g; y', 'x = /       g; y'],
    ["a / b / 'c'", "a / b / ' '"],
    ["return /'/.test(a)", 'return / /.test(a)'],
  ];
  for (const [text, code] of cases) {
    test(JSON.stringify(text), () => assert.equal(takeApart(text).code, code));
  }

  test('comments and the rest complete each other', () => {
    for (const { text, source } of files.values()) {
      if (source === undefined) continue;
      const { codeWithStrings, comments } = source;
      const joined = [...codeWithStrings].map((character, index) => (character === ' ' ? comments[index] : character));
      assert.equal(joined.join(''), [...text].join(''));
    }
  });
});
