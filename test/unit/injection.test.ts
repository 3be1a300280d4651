import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Data } from '../../src/kube/data.ts';
import { type Injection, type InjectionPolicy, inject } from '../../src/kube/injection.ts';
import { annotationSpecs, resolveInjection } from '../../src/kube/injection-settings.ts';
import { answerReview, type ReviewSettings } from '../../src/kube/review.ts';
import { podTemplatesIn } from '../../src/kube/workloads.ts';
import { applyPatch } from '../support/json-patch.ts';

const upstream = { title: '--', values: new Map([['upstream', 'cp:15012']]) };

interface PodOptions {
  readonly annotations?: Record<string, unknown>;
  readonly labels?: Record<string, string>;
  readonly spec?: Data;
}

function pod({ annotations, labels, spec }: PodOptions = {}): Data {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...(annotations ? { annotations } : {}), ...(labels ? { labels } : {}) },
    spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec },
  };
}

function injected(template: Data, policy: InjectionPolicy = 'opt-out', defaults = [upstream]): Injection {
  return inject(template, { policy, defaults, version: '1', kind: 'Pod', ownAnnotations: {}, leavesInjected: false });
}

const annotated = (name: string, value: unknown): Data => pod({ annotations: { [`weir.dev/${name}`]: value } });

describe('which pods are injected', () => {
  const cases: readonly [title: string, template: Data, policy: InjectionPolicy, kind: Injection['kind']][] = [
    ['one that says nothing, where all are', pod(), 'opt-out', 'injected'],
    ['one that says nothing, where those that ask are', pod(), 'opt-in', 'skipped'],
    ['one that asks by its label', pod({ labels: { 'weir.dev/inject': 'true' } }), 'opt-in', 'injected'],
    ['one that asks by its annotation', annotated('inject', 'true'), 'opt-in', 'injected'],
    ['one that refuses', annotated('inject', 'false'), 'opt-out', 'skipped'],
    [
      'an annotation beats the label',
      pod({ labels: { 'weir.dev/inject': 'true' }, annotations: { 'weir.dev/inject': 'false' } }),
      'opt-in',
      'skipped',
    ],
    ['a word that is neither', annotated('inject', 'yes'), 'opt-in', 'invalid'],
    ['the network of the node', pod({ spec: { hostNetwork: true } }), 'opt-out', 'skipped'],
    ['Windows', pod({ spec: { os: { name: 'windows' } } }), 'opt-out', 'skipped'],
    ['Windows by its nodes', pod({ spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } }), 'opt-out', 'skipped'],
    ['the mirror of a static pod', pod({ annotations: { 'kubernetes.io/config.mirror': 'x' } }), 'opt-out', 'skipped'],
  ];
  for (const [title, template, policy, kind] of cases) {
    test(title, () => assert.equal(injected(template, policy).kind, kind));
  }
});

describe('what cannot be meant is said', () => {
  const cases: readonly [title: string, template: Data, words: RegExp][] = [
    ['an unknown annotation', annotated('imge', 'x'), /weir\.dev\/imge is unknown; did you mean weir\.dev\/image\?/],
    [
      'a setting without set-',
      annotated('log-level', 'debug'),
      /weir\.dev\/log-level is unknown; settings of weir run are weir\.dev\/set-log-level/,
    ],
    [
      'an unknown setting',
      annotated('set-log-levl', 'debug'),
      /set-log-levl is no setting of weir run; did you mean weir\.dev\/set-log-level\?/,
    ],
    [
      'a wrong value of a setting',
      annotated('set-log-level', 'loud'),
      /set-log-level must be one of .* \(given: 'loud'\)/,
    ],
    [
      'a setting with an annotation of its own',
      annotated('set-upstream', 'cp:1'),
      /set-upstream is set by weir\.dev\/upstream/,
    ],
    ['no address', annotated('upstream', 'cp'), /upstream .*host:port/],
    ['no quantity', annotated('memory-request', 'much'), /memory-request is no quantity/],
    ['root', annotated('run-as-user', '0'), /run-as-user must be a user id from 1/],
    ['no cache', annotated('cache', 'disk'), /cache must be emptyDir, memory, none or hostPath/],
    ['a path upwards', annotated('cache', 'hostPath:/var/../etc'), /cache must be a path without \.\./],
    ['a token that ends at once', annotated('token-expiration', '5s'), /token-expiration must be a time from 10m/],
    [
      'a client that is not there',
      annotated('clients', 'envoy'),
      /clients names envoy, which is no container of the pod: app/,
    ],
    ['a value that is no text', annotated('image', 7), /image is no name of an image/],
    ['a container of that name', pod({ spec: { containers: [{ name: 'weir' }] } }), /a container weir of its own/],
    ['a volume of that name', pod({ spec: { volumes: [{ name: 'weir-run' }] } }), /a volume weir-run of its own/],
    [
      'a mount at that place',
      pod({ spec: { containers: [{ name: 'a', volumeMounts: [{ name: 'x', mountPath: '/var/run/weir/' }] }] } }),
      /mounts something of its own at \/var\/run\/weir/,
    ],
    [
      'a classic sidecar that would not end',
      pod({ annotations: { 'weir.dev/mode': 'classic' }, spec: { restartPolicy: 'Never' } }),
      /keep a pod that ends by itself from ending/,
    ],
    [
      'an Envoy beside a classic sidecar',
      pod({ annotations: { 'weir.dev/mode': 'classic', 'weir.dev/envoy-image': 'e:1' } }),
      /envoy-image needs mode native/,
    ],
    [
      'an Envoy without its bootstrap',
      pod({ annotations: { 'weir.dev/bootstrap': 'grpc', 'weir.dev/envoy-image': 'e:1' } }),
      /envoy-image needs bootstrap to have envoy/,
    ],
  ];
  for (const [title, template, words] of cases) {
    test(title, () => {
      const outcome = injected(template);
      assert.ok(outcome.kind === 'invalid', outcome.kind);
      assert.match(outcome.problems.join('; '), words);
    });
  }

  for (const [title, annotations, words] of [
    [
      'a request above its limit',
      { 'memory-request': '1Gi', 'memory-limit': '512Mi' },
      /memory-request 1Gi is more than memory-limit 512Mi/,
    ],
    [
      'health that no kubelet reaches',
      { 'set-health': '127.0.0.1:15921' },
      /set-health must begin with an address and port that the kubelet/,
    ],
    ['health on no port', { 'set-health': '0.0.0.0:0' }, /set-health must begin with/],
    ['health on a socket', { 'set-health': 'unix:/x' }, /set-health must begin with/],
    ['the socket twice', { 'set-listen': 'unix:/var/run/weir/xds.sock' }, /set-listen names unix:.*listened on anyway/],
    ['a thousandth of a byte', { 'memory-limit': '100m' }, /memory-limit is no quantity of memory/],
  ] as const) {
    test(title, () => {
      const own = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`weir.dev/${name}`, value]));
      const outcome = injected(pod({ annotations: own }));
      assert.ok(outcome.kind === 'invalid', outcome.kind);
      assert.match(outcome.problems.join('; '), words);
    });
  }

  test('what is told of one pod is bounded, and found at once', () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`weir.dev/unknown-${at}`, 'x']));
    const clients = Array.from({ length: 8_000 }, (_, at) => `c${at}`).join(',');
    const containers = Array.from({ length: 800 }, (_, at) => ({ name: `a${at}` }));
    const mountPath = `/var/run/weir${'/'.repeat(200_000)}x`;
    const startMs = performance.now();
    for (const template of [
      pod({ annotations: many }),
      pod({ annotations: { 'weir.dev/clients': clients }, spec: { containers } }),
      pod({ annotations: { 'weir.dev/clients': 'x' }, spec: { containers } }),
      pod({ spec: { containers: Array.from({ length: 800 }, () => ({ name: 'weir' })) } }),
    ]) {
      const outcome = injected(template);
      assert.ok(outcome.kind === 'invalid');
      assert.ok(outcome.problems.length <= 10 && outcome.problems.join().length < 4_000);
    }
    assert.equal(
      injected(pod({ spec: { containers: [{ name: 'a', volumeMounts: [{ name: 'v', mountPath }] }] } })).kind,
      'injected',
    );
    // Seconds, where the time grew with the square.
    assert.ok(performance.now() - startMs < 1_000);
  });

  test('no control plane', () => {
    const outcome = injected(pod(), 'opt-out', []);
    assert.ok(outcome.kind === 'invalid');
    assert.match(outcome.problems.join(), /no control plane is named/);
  });

  test('all at once', () => {
    const outcome = injected(pod({ annotations: { 'weir.dev/cache': 'x', 'weir.dev/mode': 'y' } }));
    assert.ok(outcome.kind === 'invalid');
    assert.equal(outcome.problems.length, 2);
  });
});

test('every annotation has a default that is right', () => {
  assert.ok('settings' in resolveInjection([]));
  for (const [name, { fallback, parse, help }] of annotationSpecs) {
    assert.ok(help.length > 10, name);
    if (fallback !== undefined) assert.ok('value' in parse(fallback), name);
  }
});

test('a default of a resource follows what is given', () => {
  for (const [name, value, request, limit] of [
    ['memory-request', '1Gi', '1Gi', '1Gi'],
    ['memory-limit', '64Mi', '64Mi', '64Mi'],
  ] as const) {
    const resolved = resolveInjection([{ title: '', values: new Map([[name, value]]) }]);
    assert.ok('settings' in resolved);
    assert.deepEqual([resolved.settings.memoryRequest, resolved.settings.memoryLimit], [request, limit]);
  }
  const cpu = resolveInjection([{ title: '', values: new Map([['cpu-limit', '5m']]) }]);
  assert.ok('settings' in cpu && cpu.settings.cpuRequest === '5m');
});

test('an Envoy is drained by its own admin address, and probed on the family of the pod', () => {
  const outcome = injected(
    pod({
      annotations: {
        'weir.dev/envoy-image': 'e:1',
        'weir.dev/envoy-admin': '127.0.0.1:9901',
        'weir.dev/set-health': '[::]:15921',
      },
    }),
  );
  assert.ok(outcome.kind === 'injected');
  const text = JSON.stringify(outcome.template);
  assert.match(text, /"drain","--envoy","127\.0\.0\.1:9901","--all-listeners","--envoy-only"/);
  assert.match(text, /"--admin=127\.0\.0\.1:9901","--ready-listen=\[::\]:15922"/);
});

test('a classic sidecar leaves time for its own end', () => {
  const annotations = { 'weir.dev/mode': 'classic' };
  for (const [graceSeconds, waited] of [
    [undefined, '25s'],
    [60, '25s'],
    [12, '7s'],
    [3, '1s'],
  ] as const) {
    const spec = graceSeconds === undefined ? {} : { terminationGracePeriodSeconds: graceSeconds };
    const outcome = injected(pod({ annotations, spec }));
    assert.ok(outcome.kind === 'injected');
    assert.ok(JSON.stringify(outcome.template).includes(`"--after-clients","--timeout","${waited}"`));
  }
});

test('a reference to a variable is a value of any setting', () => {
  const resolved = resolveInjection([
    {
      title: '',
      values: new Map([
        ['set-node-id', '$(POD_NAME)'],
        ['set-health', '$(POD_IP):15921'],
      ]),
    },
  ]);
  assert.ok('settings' in resolved);
  assert.equal(resolved.settings.flags.get('--health'), '$(POD_IP):15921');
});

test('weaker layers are beaten by stronger ones', () => {
  const layers = ['a:1', 'b:1'].map(image => ({ title: '', values: new Map([['image', image]]) }));
  const resolved = resolveInjection(layers);
  assert.ok('settings' in resolved && resolved.settings.image === 'b:1');
});

describe('workloads', () => {
  test('a List in a List is looked into, and not without end', () => {
    let object: Data = pod();
    for (let depth = 0; depth < 3; depth++) object = { kind: 'List', items: [object] };
    assert.equal(podTemplatesIn(object).length, 1);
    for (let depth = 0; depth < 20_000; depth++) object = { kind: 'List', items: [object] };
    assert.equal(podTemplatesIn(object).length, 0);
  });

  for (const object of [
    {},
    { kind: 'List' },
    { kind: 'Pod', spec: 'x' },
    { kind: 'Deployment', spec: { template: [] } },
  ]) {
    test(`${JSON.stringify(object)} has none`, () => assert.deepEqual(podTemplatesIn(object), []));
  }
});

describe('reviews', () => {
  const settings: ReviewSettings = { defaults: [upstream], version: '1', invalid: 'allow' };
  const review = (object: unknown, more: Data = {}): Data => ({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u-1',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      operation: 'CREATE',
      namespace: 'shop',
      object,
      ...more,
    },
  });
  const response = (body: unknown, policy: InjectionPolicy = 'opt-out', own = settings): Record<string, unknown> => {
    const answer = answerReview(body, policy, own);
    assert.ok('body' in answer, JSON.stringify(answer));
    const { response: found } = answer.body as { response: Record<string, unknown> }; // What was just made.
    assert.equal(found['uid'], 'u-1');
    return found;
  };

  test('the patch makes what injection makes', () => {
    const template = pod({ spec: { volumes: [{ name: 'v', emptyDir: {} }], initContainers: [{ name: 'i' }] } });
    const { allowed, patchType, patch } = response(review(template));
    assert.deepEqual([allowed, patchType], [true, 'JSONPatch']);
    const outcome = injected(template);
    assert.ok(outcome.kind === 'injected');
    assert.deepEqual(
      applyPatch(template, JSON.parse(Buffer.from(String(patch), 'base64').toString())),
      outcome.template,
    );
  });

  test('a pod that does not ask is left alone', () => {
    assert.deepEqual(response(review(pod()), 'opt-in'), { uid: 'u-1', allowed: true });
  });

  test('a pod that has it is left alone', () => {
    const outcome = injected(pod());
    assert.ok(outcome.kind === 'injected');
    assert.deepEqual(response(review(outcome.template)), { uid: 'u-1', allowed: true });
  });

  test('what others have added to a pod that has Weir stays: defaults, limits, their own containers in front', () => {
    const outcome = injected(pod());
    assert.ok(outcome.kind === 'injected');
    const spec = outcome.template['spec'] as { initContainers: Data[] };
    const initContainers = [
      { name: 'theirs' },
      ...spec.initContainers.map(one => ({
        ...one,
        terminationMessagePath: '/x',
        resources: { limits: { cpu: '2' } },
      })),
    ];
    const object = { ...outcome.template, spec: { ...spec, initContainers } };
    const others = { ...settings, defaults: [{ title: '', values: new Map([['upstream', 'other:1']]) }] };
    assert.deepEqual(response(review(object), 'opt-out', others), { uid: 'u-1', allowed: true });
    // The annotation alone is no Weir.
    const copied = pod({ annotations: { 'weir.dev/status': '{}' } });
    assert.equal(response(review(copied))['patchType'], 'JSONPatch');
  });

  test('wrong annotations are a warning, or a refusal where that is wanted', () => {
    const wrong = review(annotated('cache', 'x'));
    const allowed = response(wrong);
    assert.equal(allowed['allowed'], true);
    assert.match(String(allowed['warnings']), /^weir was not injected: annotation weir\.dev\/cache must be/);
    const denied = response(wrong, 'opt-out', { ...settings, invalid: 'deny' });
    assert.equal(denied['allowed'], false);
    assert.match(JSON.stringify(denied['status']), /weir\.dev\/cache must be/);
  });

  for (const [title, body] of [
    ['an update', review(pod(), { operation: 'UPDATE' })],
    ['a deletion, which has no object', review(null, { operation: 'DELETE' })],
    ['another kind', review({ kind: 'Node' }, { kind: { kind: 'Node' } })],
  ] as const) {
    test(`${title} is let through`, () => assert.deepEqual(response(body), { uid: 'u-1', allowed: true }));
  }

  for (const [body, words] of [
    [null, /no AdmissionReview/],
    ['x', /no AdmissionReview/],
    [[], /no AdmissionReview/],
    [{ kind: 'AdmissionReview' }, /no version/],
    [{ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1beta1' }, /only admission\.k8s\.io\/v1/],
    [{ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' }, /no request with a uid/],
    [{ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: { uid: 7 } }, /no request with a uid/],
  ] as const) {
    test(`${JSON.stringify(body)} cannot be answered`, () => {
      const answer = answerReview(body, 'opt-out', settings);
      assert.ok('problem' in answer);
      assert.match(answer.problem, words);
    });
  }
});
