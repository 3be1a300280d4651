import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FolderListing, isKnownListing, unsettledFiles } from '../../src/source/folder-listing.ts';

// Which files of a folder are at rest, so that something may be concluded from what they hold, or from their not being there.

const wallMs = 100_000;
const settleMs = 100;

/** A listing of files by path: `STAMP` of one written long ago, `STAMP!` of one written just now, `STAMP?` of one with an error. */
function listing(files: Readonly<Record<string, string>>): FolderListing {
  const listed = Object.entries(files).map(([path, text]) => {
    const error = text.endsWith('?') ? 'cannot be read' : undefined;
    return [
      path,
      { stamp: text.replace(/[!?]$/, ''), error, writtenMs: text.endsWith('!') ? wallMs - 99 : 0 },
    ] as const;
  });
  return { files: new Map(listed), lostFolders: new Map(), linked: '' };
}

function unsettled(
  known: Readonly<Record<string, string>>,
  now: FolderListing,
  before?: Readonly<Record<string, string>>,
): string[] {
  const stamps = new Map(Object.entries(known));
  return unsettledFiles({ known: stamps, before: before && listing(before), now, wallMs, settleMs });
}

describe('a file is at rest', () => {
  const cases: [
    title: string,
    known: Record<string, string>,
    before: Record<string, string> | undefined,
    now: Record<string, string>,
    isAtRest: boolean,
  ][] = [
    ['when it is as it was read', { a: '1' }, undefined, { a: '1!' }, true],
    ['when it was written long ago', {}, undefined, { a: '1' }, true],
    ['not when it was written just now', {}, undefined, { a: '1!' }, false],
    ['not when it was written just now in place of another', { a: '1' }, undefined, { a: '2!' }, false],
    ['when two looks found it the same', { a: '1' }, { a: '2!' }, { a: '2!' }, true],
    ['not when two looks found it different', { a: '1' }, { a: '2!' }, { a: '3!' }, false],
    ['not when the first look missed it, and it is new', {}, {}, { a: '1!' }, false],
    ['not when it cannot be looked at for once', { a: '1' }, undefined, { a: '?' }, false],
    ['when it cannot be looked at twice', { a: '1' }, { a: '?' }, { a: '?' }, true],
    ['not when it is gone for once', { a: '1' }, undefined, {}, false],
    ['not when it has only just gone', { a: '1' }, { a: '1' }, {}, false],
    ['when it is gone twice', { a: '1' }, {}, {}, true],
    ['when it was never read and is gone', {}, { a: '1' }, {}, true],
  ];
  for (const [title, known, before, now, isAtRest] of cases) {
    test(title, () => assert.deepEqual(unsettled(known, listing(now), before), isAtRest ? [] : ['a']));
  }

  test('not when it was written in the future, whose clock says nothing', () => {
    const now = listing({ a: '1' });
    const future = new Map([['a', { stamp: '1', error: undefined, writtenMs: wallMs + 1 }]]);
    assert.deepEqual(unsettled({}, { ...now, files: future }), ['a']);
    assert.deepEqual(unsettled({}, { ...now, files: future }, { a: '1' }), []);
  });
});

test('a listing is known when nothing came, went or changed', () => {
  const known = new Map(Object.entries({ a: '1', b: '2' }));
  const isKnown = (files: Record<string, string>): boolean => isKnownListing(known, listing(files));
  assert.deepEqual(
    [{ a: '1', b: '2!' }, { a: '1' }, { a: '1', b: '3' }, { a: '1', b: '2', c: '3' }, { a: '1', c: '2' }].map(isKnown),
    [true, false, false, false, false],
  );
});
