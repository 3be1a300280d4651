import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { istioKinds } from '../../src/istio/kinds.ts';
import { FolderState } from '../../src/source/folder-state.ts';
import { type Manifest, readManifest } from '../../src/source/manifest.ts';
import { readText } from '../../src/source/manifest-text.ts';
import {
  destinationRule,
  documents,
  manifest,
  manifestLimits,
  misspelt,
  Receiver,
  unparsable,
  virtualService,
} from '../support/manifests.ts';

const limits = { documentsMax: 1_000, expandedMax: 1 << 20 };

/** Bits of manifests in any order, which come nearer to what a parser stumbles over than characters do. */
const scrap = fc.constantFrom(
  ...[
    '---\n',
    '...\n',
    '# c\n',
    'apiVersion: ',
    'kind: ',
    'metadata:\n',
    'name: a\n',
    'spec:\n',
    'items:\n',
    'data:\n',
  ],
  ...[
    'networking.istio.io/v1\n',
    'v1\n',
    'VirtualService\n',
    'List\n',
    'ConfigMap\n',
    'mesh: |\n',
    'hosts:\n',
    'http:\n',
    'istio\n',
  ],
  ...[
    '- ',
    '? ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '|\n',
    '>-\n',
    '&a ',
    '*a',
    '<<: ',
    '!!str ',
    '!x ',
    '%YAML 1.2\n',
    '~',
    '\\',
  ],
  ...['\n', ' ', '  ', '    ', '\t', '\r\n', '\u2028', '\ufeff', '\u{1f600}', '__proto__: ', '1e999', '0x', '.nan'],
);
const scraps = fc.array(scrap, { maxLength: 60 }).map(parts => parts.join(''));
/** A sound file of which a part was lost or doubled. */
const damaged = fc
  .tuple(
    fc.constantFrom(documents(virtualService('a'), destinationRule('b')), misspelt),
    fc.nat(400),
    fc.nat(40),
    scrap,
  )
  .map(([text, at, length, other]) => text.slice(0, at) + other + text.slice(at + length));

describe('any text', () => {
  test('is read without an exception, and what is wrong has a line of the file', () => {
    const text = fc.oneof(scraps, damaged, fc.string({ unit: 'binary', maxLength: 80 }));
    fc.assert(
      fc.property(text, fc.constantFrom('a.yaml', 'mesh.yaml', 'a.json'), (text, file) => {
        const read = manifest(text, {}, file);
        const lines = text.split('\n').length;
        for (const { line } of [...read.problems, ...read.resources]) {
          assert.ok(line === undefined || (line >= 1 && line <= lines), `line ${line} of ${lines}`);
        }
        assert.equal(read.problems.length === 0, read.wrong !== 'any' && read.wrong.size === 0);
      }),
      { numRuns: 3_000 },
    );
  });

  test('of any bytes either', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        bytes => void readManifest('a.yaml', Buffer.from(bytes), manifestLimits),
      ),
    );
  });
});

test('what JSON says is what is read, and every path of it is found', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, '\t'), (value, space) => {
      const json = JSON.stringify(value, undefined, space);
      const { documents: read, problems } = readText(json, limits);
      assert.deepEqual(problems, []);
      assert.equal(read.length, 1);
      assert.deepEqual(read[0]?.value, JSON.parse(json));
      if (space === 0) return;
      // With space each leaf stands on a line of its own, so the line says which one was found.
      const lines = json.split('\n');
      for (const [path, leaf] of leaves(value)) {
        const line = lines[(read[0]?.lineOf(path) ?? 0) - 1] ?? '';
        assert.ok(line.includes(JSON.stringify(leaf)), `${JSON.stringify(path)}: ${line}`);
      }
    }),
    { numRuns: 1_000 },
  );
});

function* leaves(
  value: unknown,
  path: (string | number)[] = [],
): Generator<[path: (string | number)[], leaf: unknown]> {
  if (Array.isArray(value)) for (const [index, part] of value.entries()) yield* leaves(part, [...path, index]);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, part] of Object.entries(value)) yield* leaves(part, [...path, key]);
  } else yield [path, value];
}

// A folder in which anything happens, against a model that knows what was written.

interface Written {
  readonly text: string;
  /** What it holds, as `Kind name host`; undefined of a file with a mistake. */
  readonly holds: readonly string[] | undefined;
}

const resource = fc.tuple(
  fc.constantFrom('VirtualService', 'DestinationRule'),
  fc.constantFrom('1', '2'),
  fc.constantFrom('x', 'y'),
);
const written: fc.Arbitrary<Written> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(misspelt, unparsable, `${destinationRule('z')}---\n${misspelt}`)
      .map(text => ({ text, holds: undefined })),
  },
  {
    weight: 4,
    arbitrary: fc.uniqueArray(resource, { maxLength: 3, selector: ([kind, name]) => `${kind} ${name}` }).map(all => ({
      text: `# ${all.length}\n${documents(...all.map(([kind, name, host]) => (kind === 'VirtualService' ? virtualService(name, host) : destinationRule(name, host))))}`,
      holds: all.map(([kind, name, host]) => `${kind} default/${name} ${host}`),
    })),
  },
);
/** A look: what is in the folder, or that it cannot be read. Each file holds names of its own, so nothing is there twice. */
const look = fc.oneof(
  { weight: 1, arbitrary: fc.constant('failed' as const) },
  { weight: 6, arbitrary: fc.dictionary(fc.constantFrom('a', 'b', 'c'), written, { noNullPrototype: true }) },
);

/** Gives the names of a file to it alone. */
function ownNames(file: string, { text, holds }: Written): Written {
  const own = text.replaceAll(/name: ([12])/g, `name: ${file}$1`);
  return { text: own, holds: holds?.map(line => line.replace('default/', `default/${file}`)) };
}

test('whatever happens in a folder, a kind is told whole once, and in the end what is told is what is there', () => {
  fc.assert(
    fc.property(
      fc.array(look, { maxLength: 8 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), written),
      (looks, last) => {
        const state = new FolderState('dir', 1_000);
        const receiver = new Receiver();
        const known = new Map<string, Manifest>();
        const read = (file: string, text: string): Manifest => {
          const key = `${file} ${text}`;
          const found = known.get(key) ?? manifest(text, {}, file);
          known.set(key, found);
          return found;
        };
        const apply = (files: Readonly<Record<string, Written>>): void => {
          const seen = Object.entries(files).toSorted(([a], [b]) => (a < b ? -1 : 1));
          const manifests = seen.map(([file, one]) => [file, read(file, ownNames(file, one).text)] as const);
          receiver.take(state.apply({ kind: 'seen', files: new Map(manifests), lostFolders: new Map() }));
        };
        for (const one of looks) {
          const before = receiver.events.length;
          if (one === 'failed') {
            receiver.take(state.apply({ kind: 'failed', text: 'is away' }));
            assert.ok(receiver.events.slice(before).every(({ kind }) => kind === 'trouble'));
            continue;
          }
          apply(one);
          // A file that is good counts as it is.
          for (const [file, { holds }] of Object.entries(one)) {
            for (const line of ownNames(file, { text: '', holds }).holds ?? []) {
              const [kind = '', name = '', host] = line.split(' ');
              if (receiver.told.includes(kind)) assert.equal(hostOf(receiver, kind, name), host, line);
            }
          }
        }
        const good = Object.fromEntries(Object.entries(last).filter(([, { holds }]) => holds !== undefined));
        apply(good);
        assert.equal(receiver.told.length, istioKinds.length + 1);
        assert.equal(receiver.troubles.size, 0);
        const expected = Object.entries(good).flatMap(([file, one]) => ownNames(file, one).holds ?? []);
        const held = ['VirtualService', 'DestinationRule'].flatMap(kind =>
          (receiver.names(kind) ?? []).map(name => `${kind} ${name} ${hostOf(receiver, kind, name)}`),
        );
        assert.deepEqual(held.toSorted(), expected.toSorted());
      },
    ),
    { numRuns: 2_000 },
  );
});

function hostOf(receiver: Receiver, kind: string, name: string): string | undefined {
  const spec = receiver.spec(kind, name) as { host?: string; hosts?: string[] } | undefined;
  return spec?.host ?? spec?.hosts?.[0];
}
