import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createTokenReviewer } from '../../src/agent/token-review.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import type { ReviewToken } from '../../src/local-ads/server.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { selfSignedCertificate } from '../support/certificate.ts';

/** An API server that answers when the test lets it, and a reviewer that asks it. */
class ReviewWorld {
  /** Reviews that were asked for, and those that wait for their answer. */
  asked = 0;
  readonly #open: (() => void)[] = [];
  readonly connections = new Set<unknown>();

  async start(t: TestContext): Promise<ReviewToken> {
    const folder = makeFolder();
    const identity = selfSignedCertificate();
    const put = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const server = createServer({ cert: identity.cert, key: identity.key }, (request, response) => {
      this.asked++;
      request.resume();
      this.#open.push(() => {
        const user = { username: 'system:serviceaccount:shop:cart' };
        response.end(JSON.stringify({ status: { authenticated: true, user } }));
      });
    });
    server.on('secureConnection', socket => this.connections.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
      removeFolder(folder);
    });
    return createTokenReviewer({
      tokenReviewUrl: `https://localhost:${(server.address() as AddressInfo).port}`,
      tokenReviewCa: put('ca.pem', identity.cert),
      tokenReviewTokenFile: put('token', 'own'),
      tokenReviewAudience: undefined,
    });
  }

  get waiting(): number {
    return this.#open.length;
  }

  answer(): void {
    for (const answer of this.#open.splice(0)) answer();
  }
}

const proven = ['serviceaccount:shop/cart'];

describe('token reviews', () => {
  test('R123: any number of streams with one token cost one review', async t => {
    const world = new ReviewWorld();
    const review = await world.start(t);
    const all = Array.from({ length: 50 }, () => review('one'));
    await waitFor('the review', 5_000, () => world.waiting === 1 || undefined);
    world.answer();
    // bounded: fifty promises of this test.
    for (const names of await Promise.all(all)) assert.deepEqual(names, proven);
    assert.deepEqual(await review('one'), proven);
    assert.equal(world.asked, 1);
  });

  test('R123: any number of tokens cost a few reviews at a time; those past the queue are told to try again', async t => {
    const world = new ReviewWorld();
    const review = await world.start(t);
    const verdicts = Array.from({ length: 300 }, (_, at) => review(`token ${at}`));
    await waitFor('as many as go at once', 5_000, () => world.waiting === 8 || undefined);
    const excess = await verdicts[299];
    assert.ok(excess && 'code' in excess && excess.code === grpcCode.unavailable);
    assert.match(excess.message, /wait for their review already/);
    let most = 0;
    const done = Promise.all(verdicts.slice(0, 264));
    await waitFor('all', 20_000, async () => {
      most = Math.max(most, world.waiting);
      world.answer();
      return (await Promise.race([done, Promise.resolve(undefined)])) ? true : undefined;
    });
    for (const names of await done) assert.deepEqual(names, proven);
    assert.equal(most, 8);
    assert.ok(world.connections.size <= 8, `${world.connections.size} connections`);
  });
});
