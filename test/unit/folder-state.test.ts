import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { istioKinds } from '../../src/istio/kinds.ts';
import { type FolderLook, FolderState } from '../../src/source/folder-state.ts';
import { formatProblem, type Manifest } from '../../src/source/manifest.ts';
import {
  destinationRule,
  documents,
  manifest,
  misspelt,
  Receiver,
  unparsable,
  virtualService,
} from '../support/manifests.ts';

// What is told of a folder, look by look. Files are texts here; a file that is left as it was stays the same object, as it does in a folder.

class Folder extends Receiver {
  readonly #state: FolderState;
  readonly #read = new Map<string, { text: string; manifest: Manifest }>();

  constructor(objectsMax = 1_000) {
    super();
    this.#state = new FolderState('dir', objectsMax);
  }

  /** Looks at these files. Returns what was told. */
  look(texts: Readonly<Record<string, string>>, lostFolders: Readonly<Record<string, string>> = {}): string[] {
    const files = Object.entries(texts).map(([path, text]) => {
      const known = this.#read.get(path);
      const read = known?.text === text ? known : { text, manifest: manifest(text, {}, path) };
      this.#read.set(path, read);
      return [path, read.manifest] as const;
    });
    return this.#apply({ kind: 'seen', files: new Map(files), lostFolders: new Map(Object.entries(lostFolders)) });
  }

  fail(text: string): string[] {
    return this.#apply({ kind: 'failed', text });
  }

  get problems(): string[] {
    return this.#state.problems.map(formatProblem);
  }

  get counts() {
    return this.#state.counts;
  }

  #apply(look: FolderLook): string[] {
    this.take(this.#state.apply(look));
    return this.news();
  }
}

const everything = [...istioKinds.map(({ kind }) => kind), 'MeshConfig'];
const wholeFrom = (texts: Readonly<Record<string, string>>): Folder => {
  const folder = new Folder();
  folder.look(texts);
  assert.deepEqual(folder.told, everything);
  return folder;
};
const [a, b, c] = [virtualService('a'), virtualService('b'), virtualService('c')];
const mesh = 'rootNamespace: mesh\n';

describe('the first look', () => {
  test('tells every kind as a whole, those without manifests as empty', () => {
    const folder = new Folder();
    assert.deepEqual(folder.look({ 'a.yaml': documents(a, destinationRule('a')), 'b.yaml': b, 'mesh.yaml': mesh }), [
      'whole DestinationRule: default/a',
      'whole VirtualService: default/a default/b',
      'mesh config',
    ]);
    assert.deepEqual(folder.told, everything);
    assert.deepEqual(folder.names('Gateway'), []);
    assert.deepEqual(folder.meshConfig, { rootNamespace: 'mesh' });
    assert.deepEqual(folder.counts, { files: 3, resources: 4, passedOver: 0 });
  });

  test('of an empty folder tells sixteen times nothing', () => {
    const folder = wholeFrom({});
    assert.deepEqual(
      everything.map(kind => folder.names(kind)?.length ?? folder.meshConfig),
      [...Array(15).fill(0), 'none'],
    );
    assert.equal(folder.troubles.size, 0);
  });

  test('withholds the kind of a mistake until it is mended, and no other', () => {
    const folder = new Folder();
    folder.look({ 'a.yaml': documents(a, destinationRule('a')), 'b.yaml': documents(misspelt, destinationRule('b')) });
    assert.deepEqual(
      folder.told,
      everything.filter(kind => kind !== 'VirtualService'),
    );
    assert.deepEqual(folder.names('DestinationRule'), ['default/a', 'default/b'], 'the rest of the file counts');
    assert.deepEqual(
      [...folder.troubles],
      [
        [
          'VirtualService',
          'b.yaml:5: VirtualService default/misspelt: spec.htp is no field of VirtualService; did you mean http?; no VirtualService is told before this is mended, since istiod deletes what a list lacks',
        ],
      ],
    );
    folder.news();
    const mended = { 'a.yaml': documents(a, destinationRule('a')), 'b.yaml': documents(b, destinationRule('b')) };
    assert.deepEqual(folder.look(mended), ['whole VirtualService: default/a default/b', 'recovered VirtualService']);
  });

  test('withholds every kind for a file that says nothing of itself, until it is gone', () => {
    const folder = new Folder();
    assert.deepEqual(folder.look({ 'a.yaml': a, 'b.yaml': unparsable, 'mesh.yaml': mesh }), ['trouble']);
    assert.deepEqual(folder.told, []);
    assert.match(folder.troubles.get('') ?? '', /^b\.yaml:2: .*; nothing is told before this is mended, since/);
    assert.deepEqual(
      folder.look({ 'a.yaml': a, 'b.yaml': `${unparsable}x`, 'mesh.yaml': mesh }),
      [],
      'still the same trouble',
    );
    assert.deepEqual(folder.look({ 'a.yaml': a, 'mesh.yaml': mesh }), [
      'whole VirtualService: default/a',
      'mesh config',
      'recovered',
    ]);
    assert.deepEqual(folder.told, everything);
  });

  test('withholds the kinds of a group for a kind that is misspelt', () => {
    const folder = new Folder();
    folder.look({ 'a.yaml': a.replace('VirtualService', 'VirtualServce') });
    const networking = istioKinds.filter(({ group }) => group === 'networking.istio.io').map(({ kind }) => kind);
    assert.deepEqual(
      folder.told,
      everything.filter(kind => !networking.includes(kind)),
    );
    assert.match(folder.troubles.get('') ?? '', /; none of DestinationRule, EnvoyFilter, .* is told before/);
  });

  test('withholds the configuration of the mesh alone for a mistake in it', () => {
    const folder = new Folder();
    folder.look({ 'a.yaml': a, 'mesh.yaml': 'rootNamespace: 1\n' });
    assert.deepEqual(folder.told, everything.slice(0, -1));
    assert.match(folder.troubles.get('') ?? '', /; none of MeshConfig is told before/);
    assert.deepEqual(folder.look({ 'a.yaml': a, 'mesh.yaml': mesh }), ['mesh config', 'recovered']);
  });

  test('of a folder that is not there, or in parts cannot be read, tells nothing at all', () => {
    const folder = new Folder();
    assert.deepEqual(folder.fail('does not exist'), ['trouble']);
    assert.deepEqual(folder.fail('does not exist'), []);
    assert.match(folder.troubles.get('') ?? '', /^dir: does not exist; nothing is told/);
    assert.deepEqual(folder.look({ 'a.yaml': a }, { sub: 'EACCES' }), ['trouble']);
    assert.match(folder.troubles.get('') ?? '', /^sub: cannot be read: EACCES; nothing is told/);
    assert.deepEqual(folder.told, []);
    assert.deepEqual(folder.look({ 'a.yaml': a }), ['whole VirtualService: default/a', 'recovered']);
  });
});

describe('later looks', () => {
  test('tell what differs, once', () => {
    const folder = wholeFrom({ 'a.yaml': documents(a, b), 'd.yaml': destinationRule('d') });
    assert.deepEqual(folder.look({ 'a.yaml': documents(a, b), 'd.yaml': destinationRule('d') }), []);
    assert.deepEqual(folder.look({ 'a.yaml': documents('# new words\n', b, a), 'd.yaml': destinationRule('d') }), []);
    const changed = virtualService('b', 'other');
    assert.deepEqual(folder.look({ 'a.yaml': documents(changed, c), 'e.yaml': destinationRule('e') }), [
      'changed DestinationRule: default/e -default/d',
      'changed VirtualService: default/b default/c -default/a',
    ]);
    assert.equal(folder.host('default/b'), 'other');
    assert.deepEqual(folder.look({}), [
      'changed DestinationRule: -default/e',
      'changed VirtualService: -default/b -default/c',
    ]);
  });

  test('tell the configuration of the mesh when it changes, and that there is none any more', () => {
    const folder = wholeFrom({ 'mesh.yaml': mesh });
    assert.deepEqual(folder.look({ 'mesh.yaml': `# same\n${mesh}` }), []);
    assert.deepEqual(folder.look({ 'mesh.yaml': 'rootNamespace: other\n' }), ['mesh config']);
    assert.deepEqual(folder.meshConfig, { rootNamespace: 'other' });
    folder.look({});
    assert.equal(folder.meshConfig, 'none');
  });

  test('a resource that moves to another file does not change', () => {
    const folder = wholeFrom({ 'a.yaml': documents(a, b) });
    assert.deepEqual(folder.look({ 'b.yaml': a, 'c.yaml': b }), []);
  });

  test('a file with a mistake goes on with its last good content as a whole', () => {
    const folder = wholeFrom({ 'a.yaml': documents(a, destinationRule('d')), 'b.yaml': b });
    const bad = documents(misspelt, destinationRule('d', 'other'), destinationRule('e'));
    assert.deepEqual(folder.look({ 'a.yaml': bad, 'b.yaml': virtualService('b', 'other') }), [
      'changed VirtualService: default/b',
      'trouble VirtualService',
    ]);
    assert.match(folder.troubles.get('VirtualService') ?? '', /; what was read before goes on until this is mended$/);
    assert.deepEqual(folder.look({ 'a.yaml': unparsable, 'b.yaml': virtualService('b', 'other') }), [
      'trouble',
      'recovered VirtualService',
    ]);
    assert.deepEqual(folder.look({ 'a.yaml': unparsable }), ['changed VirtualService: -default/b']);
    assert.deepEqual(folder.look({ 'a.yaml': c }), [
      'changed DestinationRule: -default/d',
      'changed VirtualService: default/c -default/a',
      'recovered',
    ]);
  });

  test('a bad file that is removed takes its last good content along', () => {
    const folder = wholeFrom({ 'a.yaml': a, 'b.yaml': b });
    folder.look({ 'a.yaml': unparsable, 'b.yaml': b });
    assert.deepEqual(folder.look({ 'b.yaml': b }), ['changed VirtualService: -default/a', 'recovered']);
  });

  test('a file that comes later with a mistake counts for the kinds that are in order', () => {
    const folder = wholeFrom({ 'a.yaml': a });
    assert.deepEqual(folder.look({ 'a.yaml': a, 'b.yaml': documents(misspelt, destinationRule('d')) }), [
      'changed DestinationRule: default/d',
      'trouble VirtualService',
    ]);
    // Another mistake: the kind that is mended counts now, the other goes on as it was.
    assert.deepEqual(
      folder.look({ 'a.yaml': a, 'b.yaml': documents(b, destinationRule('e').replace('host', 'hst')) }),
      ['changed VirtualService: default/b', 'trouble DestinationRule', 'recovered VirtualService'],
    );
    assert.deepEqual(folder.names('DestinationRule'), ['default/d']);
    // It was good in every part by now, if not at once, so from here on it counts as a whole.
    assert.deepEqual(folder.look({ 'a.yaml': a, 'b.yaml': documents(misspelt, destinationRule('e')) }), [
      'recovered DestinationRule',
      'trouble VirtualService',
    ]);
  });

  test('a file that is emptied keeps what it held, one without an object does not', () => {
    const folder = wholeFrom({ 'a.yaml': a, 'b.yaml': b });
    assert.deepEqual(folder.look({ 'a.yaml': '', 'b.yaml': b }), ['trouble']);
    assert.match(folder.troubles.get('') ?? '', /^a\.yaml: is empty, which is taken for an accident; remove the file/);
    assert.deepEqual(folder.look({ 'a.yaml': '# none for now\n', 'b.yaml': b }), [
      'changed VirtualService: -default/a',
      'recovered',
    ]);
    assert.deepEqual(folder.look({ 'a.yaml': '', 'b.yaml': b }), [], 'nothing was in it');
  });

  test('a file that was renamed and spoilt at once keeps what it held', () => {
    const folder = wholeFrom({ 'a.yaml': documents(a, destinationRule('d')), 'b.yaml': b });
    assert.deepEqual(folder.look({ 'b.yaml': documents(b), 'c.yaml': unparsable }), ['trouble']);
    assert.deepEqual(folder.look({ 'b.yaml': b, 'c.yaml': virtualService('a', 'other') }), [
      'changed DestinationRule: -default/d',
      'changed VirtualService: default/a',
      'recovered',
    ]);
  });

  test('what it keeps counts for less than the same in a file that is good', () => {
    const folder = wholeFrom({ 'a.yaml': documents(a, b) });
    folder.look({ 'c.yaml': unparsable });
    assert.deepEqual(folder.look({ 'a.yaml': virtualService('a', 'other'), 'c.yaml': unparsable }), [
      'changed VirtualService: default/a',
    ]);
    assert.equal(folder.problems.length, 1, 'nothing is there twice');
    assert.deepEqual(
      folder.look({ 'c.yaml': unparsable }),
      ['changed VirtualService: -default/a'],
      'old content stays away',
    );
    assert.deepEqual(folder.names('VirtualService'), ['default/b']);
  });

  test('what moved to a good file at the same time is not there twice', () => {
    const folder = wholeFrom({ 'a.yaml': documents(a, b) });
    assert.deepEqual(folder.look({ 'b.yaml': virtualService('a', 'other'), 'c.yaml': misspelt }), [
      'changed VirtualService: default/a',
      'trouble VirtualService',
    ]);
    assert.deepEqual(folder.names('VirtualService'), ['default/a', 'default/b']);
    assert.equal(folder.problems.length, 1);
  });

  test('a folder that is gone, or beyond the limit, changes nothing', () => {
    const folder = new Folder(2);
    folder.look({ 'a.yaml': documents(a, b) });
    folder.news();
    assert.deepEqual(folder.fail('does not exist'), ['trouble']);
    assert.match(
      folder.troubles.get('') ?? '',
      /^dir: does not exist; what was read before goes on until this is mended$/,
    );
    assert.deepEqual(folder.look({ 'a.yaml': documents(a, b) }), ['recovered']);
    assert.deepEqual(folder.look({ 'a.yaml': documents(a, b), 'c.yaml': c }), ['trouble']);
    assert.deepEqual(folder.problems, ['dir: holds 3 objects of Istio, the most is 2; raise --objects-max']);
    assert.deepEqual(folder.look({ 'a.yaml': a, 'c.yaml': c }), [
      'changed VirtualService: default/c -default/b',
      'recovered',
    ]);
  });

  test('what is in a folder that cannot be read goes on, and its neighbours change', () => {
    const folder = wholeFrom({ 'sub/a.yaml': a, 'sub2/b.yaml': b });
    assert.deepEqual(folder.look({ 'sub2/b.yaml': virtualService('b', 'other') }, { sub: 'EIO' }), [
      'changed VirtualService: default/b',
      'trouble',
    ]);
    assert.deepEqual(folder.names('VirtualService'), ['default/a', 'default/b']);
    assert.deepEqual(folder.look({ 'sub2/b.yaml': virtualService('b', 'other') }), [
      'changed VirtualService: -default/a',
      'recovered',
    ]);
  });
});

describe('two of the same', () => {
  test('at the start the first path counts, and the other is told with both places', () => {
    const folder = wholeFrom({
      'a.yaml': documents(b, virtualService('a', 'first')),
      'b.yaml': documents(c, virtualService('a', 'second')),
    });
    assert.equal(folder.host('default/a'), 'first');
    assert.deepEqual(folder.problems, [
      'b.yaml:12: VirtualService default/a stands in a.yaml:12 as well, and that one counts; remove one of them',
    ]);
    assert.match(folder.troubles.get('VirtualService') ?? '', /^b\.yaml:12: .* goes on/);
    folder.news();
    assert.deepEqual(folder.look({ 'b.yaml': virtualService('a', 'second') }), [
      'changed VirtualService: default/a -default/b -default/c',
      'recovered VirtualService',
    ]);
    assert.equal(folder.host('default/a'), 'second');
  });

  test('later the one that was there first counts, whatever its path', () => {
    const folder = wholeFrom({ 'z.yaml': virtualService('a', 'first') });
    assert.deepEqual(folder.look({ 'a.yaml': virtualService('a', 'second'), 'z.yaml': virtualService('a', 'first') }), [
      'trouble VirtualService',
    ]);
    assert.deepEqual(folder.problems, [
      'a.yaml:1: VirtualService default/a stands in z.yaml:1 as well, and that one counts; remove one of them',
    ]);
    const third = { 'a.yaml': virtualService('a', 'second'), 'b.yaml': a, 'z.yaml': virtualService('a', 'new') };
    assert.deepEqual(folder.look(third), ['changed VirtualService: default/a', 'trouble VirtualService']);
    assert.equal(folder.host('default/a'), 'new');
    assert.equal(folder.problems.length, 2);
  });

  test('in one file the first line counts, and the same name in another namespace or kind is another', () => {
    const folder = wholeFrom({
      'a.yaml': documents(
        virtualService('a', 'first'),
        virtualService('a', 'second'),
        virtualService('shop/a'),
        destinationRule('a'),
      ),
    });
    assert.equal(folder.host('default/a'), 'first');
    assert.deepEqual(folder.problems, [
      'a.yaml:12: VirtualService default/a stands in a.yaml:1 as well, and that one counts; remove one of them',
    ]);
    assert.deepEqual(folder.names('VirtualService'), ['default/a', 'shop/a']);
  });

  test('is said of the configuration of the mesh as well', () => {
    const folder = wholeFrom({ 'a/mesh.yaml': mesh, 'b/mesh.yaml': 'rootNamespace: other\n' });
    assert.deepEqual(folder.meshConfig, { rootNamespace: 'mesh' });
    assert.deepEqual(folder.problems, [
      'b/mesh.yaml:1: MeshConfig stands in a/mesh.yaml:1 as well, and that one counts; remove one of them',
    ]);
  });
});

test('of many problems the first are named and the rest counted', () => {
  const folder = new Folder();
  folder.look(Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`${index}.yaml`, unparsable])));
  const text = folder.troubles.get('') ?? '';
  assert.match(text, /0\.yaml:2: .*4\.yaml:2: .*; and 3 problems more; nothing is told/);
  assert.doesNotMatch(text, /5\.yaml/);
});

test('one change among twenty thousand resources is told at once', () => {
  const folder = new Folder(20_000);
  const texts = Object.fromEntries(
    Array.from({ length: 200 }, (_, file) => [
      `${file}.yaml`,
      documents(
        ...Array.from(
          { length: 100 },
          (_, index) => `apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: { name: s${file}-${index} }\n`,
        ),
      ),
    ]),
  );
  folder.look(texts);
  assert.equal(folder.names('Sidecar')?.length, 20_000);
  const startMs = performance.now();
  folder.look({ ...texts, '7.yaml': '# none\n' });
  const tookMs = performance.now() - startMs;
  assert.equal(folder.names('Sidecar')?.length, 19_900);
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
});
