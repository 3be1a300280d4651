import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { waitFor } from '../../src/demo/processes.ts';
import { accessibilityProblems, startChromium, watchedPage } from '../support/browser.ts';
import { skipWithoutChromium, testChromium } from '../support/chromium.ts';
import { DashboardScene, rejectionWords, sceneKey } from '../support/dashboard-scene.ts';

// The dashboard (docs/dashboard.md) in a real Chromium, on a real agent.

const chromium = testChromium();
const skip = skipWithoutChromium(chromium);
const waitMs = 10_000;
/** What the browser itself says of a server that is not there for a moment. */
const ofTheNetwork =
  /^Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)/;
const none = { count: 0, names: [] };
const podId = 'sidecar~10.4.1.7~cart-6f9c.shop~shop.svc.cluster.local';

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? '';
}

async function waitText(page: Page, selector: string, text: RegExp | string): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: waitMs });
}

describe('the dashboard', { skip, concurrency: 1 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startChromium(chromium ?? '');
  });
  after(() => browser.close());

  test('with 10,000 resources it is there within a second, and finds one of them by a part of its name', async () => {
    const clusters = Array.from({ length: 5_000 }, (_, at) => `outbound|8080||service-${at}.shop`);
    await using scene = new DashboardScene({ clusters, clients: [podId] });
    await scene.start();
    // The browser's own first page costs more than any later one.
    const { page, complaints } = await watchedPage(browser);
    const startMs = performance.now();
    await page.goto(scene.url);
    await waitText(page, '#types-sum', /10 00\d resources/);
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
    await waitText(page, '#headline', 'All is well');

    await page.locator('#search-text').fill('SERVICE-4242.');
    await waitText(page, '#search-count', '2 resources');
    await waitText(page, '#search-found li', 'outbound|8080||service-4242.shop');
    await page.locator('#search-found summary').first().click();
    await waitText(page, '#search-found .clients', `${podId} (stream 1) has it`);
    // The very name comes first, though thousands hold it.
    await page.locator('#search-text').fill('outbound|8080||service-4.shop');
    await waitText(page, '#search-found li:first-child b', /^outbound\|8080\|\|service-4\.shop$/);
    await page.locator('#search-text').fill('service-4');
    await waitText(page, '#search-count', 'More than 50');
    assert.equal(await page.locator('#search-found > li').count(), 50);
    await page.locator('#search-text').fill('no-such-thing');
    await waitText(page, '#search-count', 'Nothing is held');
    assert.deepEqual(complaints, []);
  });

  test('what happens is there at once: an update with its names, a rejection with its words, an outage and its end', async () => {
    await using scene = new DashboardScene({ clusters: ['frontend', 'cart', 'checkout'], clients: [podId, podId] });
    await scene.start();
    const { page, complaints, requests } = await watchedPage(browser);
    await page.goto(scene.url);
    await waitText(page, '#headline', 'All is well');
    assert.match(await textOf(page, '#upstream-streams'), /connected 127\.0\.0\.1:\d+ .*Delta · mesh-control\/1\.4/);
    assert.match(await textOf(page, '#upstream-facts'), /1\.\s127\.0\.0\.1:\d+ \(in use\), 2\.\s127\.0\.0\.1:1/);

    scene.clusters.delete('cart');
    scene.clusters.set('basket', { endpoints: [] });
    scene.publish();
    // New before old: that is how a control plane swaps clusters.
    await waitText(page, '#timeline-list li', /CDS 1 added: the control plane said so.*basket/);
    await waitText(page, '#timeline-list li', /CDS 1 removed: the control plane said so.*cart/);
    await waitText(page, '#types-sum', /^8 resources/);

    scene.addPickyClient(podId, 'checkout-v3');
    await waitText(page, '#clients-sum', '3 streams: 3 in sync');
    scene.clusters.set('checkout-v3', { endpoints: [] });
    scene.publish();
    await waitText(page, '#headline', `Serving. Client '${podId}' rejects CDS`);
    // Words from outside are text, whatever is in them.
    await waitText(page, '#problems .words', rejectionWords);
    await waitText(page, '#clients .more', rejectionWords);
    await waitText(page, '#timeline-list li', `client rejected CDS: ${rejectionWords}`);
    await waitText(page, '#clients-sum', '3 streams: 1 with a rejection, 2 in sync');
    await page.locator('#search-text').fill('checkout-v3');
    await waitText(page, '#search-found li:first-child', 'rejected by 1');

    await page.locator('#timeline-kind').selectOption('rejection');
    await waitFor('rejections alone', waitMs, async () =>
      (await page.locator('#timeline-list > li').count()) === 2 ? true : undefined,
    );
    await page.locator('#timeline-kind').selectOption('all');

    scene.controlPlane.stop();
    await waitText(
      page,
      '#headline',
      /^Serving\. The control plane 127\.0\.0\.1:\d+ is away since \d\d:\d\d:\d\d, and 1 more problem$/,
    );
    await waitText(page, '#restart', /^A restart is NOT safe: 1 secret is in memory only \(setting secrets\)/);
    await waitText(page, '#types td.warn', /^\d+ s$/);
    await scene.startControlPlane();
    await waitText(page, '#headline', `Serving. Client '${podId}' rejects CDS`);

    assert.deepEqual(complaints, []);
    const elsewhere = requests.filter(url => !url.startsWith(`${scene.url}/`));
    assert.deepEqual(elsewhere, [], 'nothing is asked of anybody but the agent');
    assert.equal(await page.locator('b', { hasText: 'acme.quic' }).count(), 0);
  });

  test('it says that the agent is gone, comes back with it by itself, and keeps what it was told before', async () => {
    await using scene = new DashboardScene({ clusters: ['frontend', 'cart'], clients: [podId] });
    await scene.start();
    const { page, complaints } = await watchedPage(browser);
    await page.goto(scene.url);
    await waitText(page, '#connection', /^live$/);
    scene.move('cart', 7);
    await waitText(page, '#timeline-list li', /EDS 1 changed/);

    await scene.stopWeir();
    await waitText(page, '#headline', /^No answer from the agent since \d\d:\d\d:\d\d$/);
    await waitText(page, '#connection', /disconnected for \d+ s/);
    assert.match(await page.title(), /no answer/);
    await scene.startWeir();
    await waitText(page, '#connection', /^live$/);
    await waitText(page, '#headline', 'All is well');
    await waitText(page, '#timeline-list li', /restored/);
    await waitText(page, '#timeline-list li', /EDS 1 changed/);
    // The new process counts its events from 1 again; they are no old ones.
    await scene.settled();
    scene.move('frontend', 9);
    await waitText(page, '#timeline-list li', /EDS 1 changed.*frontend/);
    assert.deepEqual(
      complaints.filter(line => !ofTheNetwork.test(line)),
      [],
    );
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds nothing wrong in ${colorScheme} colours: at peace, with trouble, on a phone, without an agent`, async () => {
      await using scene = new DashboardScene({ clusters: ['frontend', 'cart'], clients: [podId] });
      await scene.start();
      const { page } = await watchedPage(browser, { colorScheme });
      await page.goto(scene.url);
      await waitText(page, '#headline', 'All is well');
      await page.locator('#trend-table summary').click();
      assert.deepEqual(await accessibilityProblems(page), []);

      scene.addPickyClient(podId, 'checkout-v3');
      scene.clusters.set('checkout-v3', { endpoints: [] });
      scene.publish();
      await waitText(page, '#problems .words', rejectionWords);
      scene.controlPlane.stop();
      await waitText(page, '#types td.warn', /^\d+ s$/);
      await page.locator('#search-text').fill('c');
      await waitText(page, '#search-found li', 'checkout-v3');
      await page.locator('#timeline-pause').click();
      assert.deepEqual(await accessibilityProblems(page), []);

      await page.setViewportSize({ width: 390, height: 844 });
      assert.deepEqual(await accessibilityProblems(page), []);
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than a phone');

      await scene.stopWeir();
      await waitText(page, '#headline', 'No answer');
      assert.deepEqual(await accessibilityProblems(page), []);
    });
  }

  test('the keyboard reaches everything, and the first key leads past the head', async () => {
    await using scene = new DashboardScene({ clusters: ['frontend'], clients: [podId] });
    await scene.start();
    const { page } = await watchedPage(browser);
    await page.goto(scene.url);
    await waitText(page, '#headline', 'All is well');
    const focused = (): Promise<unknown> =>
      page.evaluate(
        "document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent",
      );
    const order: unknown[] = [];
    for (let press = 0; press < 15; press += 1) {
      await page.keyboard.press('Tab');
      order.push(await focused());
    }
    assert.equal(order[0], 'Skip to the verdict');
    for (const stop of [
      'Metrics',
      'The same as a table',
      'search-text',
      'Table of types',
      'Table of clients',
      'timeline-kind',
      'timeline-pause',
      'timeline-list',
    ]) {
      assert.ok(order.includes(stop), `${stop} is not among ${order.join(', ')}`);
    }
  });

  test('no secret comes to the page, and no page of another origin reads anything', async () => {
    await using scene = new DashboardScene({ clusters: ['frontend'], clients: [podId] });
    await scene.start();
    scene.addPickyClient(podId, 'none');
    const { page } = await watchedPage(browser);
    const answers: Promise<string>[] = [];
    page.on('response', response => {
      if (!response.url().includes('/events')) answers.push(response.text());
    });
    const answer = await page.goto(scene.url);
    assert.match(answer?.headers()['content-security-policy'] ?? '', /^default-src 'none'; script-src 'self'; /);
    await waitText(page, '#types th', /^SDS$/);
    await page.locator('#search-text').fill('edge-cert');
    await waitText(page, '#search-found li', 'edge-certificate');
    const everything = [
      await page.content(),
      ...(await Promise.all(answers)),
      await (await fetch(`${scene.url}/events?history`)).text(),
    ];
    const marker = /Marker0f\w+/.exec(sceneKey)?.[0] ?? assert.fail();
    for (const text of everything) assert.ok(!text.includes(marker) && !text.includes('Marker0fTheCertificate'));

    const stranger = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<p>stranger</p>'),
    );
    await new Promise<void>(resolve => stranger.listen(0, '127.0.0.1', resolve));
    try {
      const bound = stranger.address();
      assert.ok(typeof bound === 'object' && bound);
      const { page: other } = await watchedPage(browser);
      await other.goto(`http://localhost:${bound.port}`);
      const read = `fetch('${scene.url}/status').then(r => r.text(), error => 'refused: ' + error.name)`;
      assert.equal(await other.evaluate(read), 'refused: TypeError');
      const sent = await other.evaluate(
        `fetch('${scene.url}/status', { mode: 'no-cors' }).then(r => r.type, error => 'refused')`,
      );
      assert.notEqual(sent, 'basic');
      // A link is followed.
      await other.evaluate(`location.href = '${scene.url}/'`);
      await waitText(other, '#headline', 'All is well');
    } finally {
      stranger.close();
    }
  });

  test('however often something changes, the state is asked for once a second at most, and by a hidden page never', async () => {
    await using scene = new DashboardScene({ clusters: ['frontend'], clients: [podId] });
    await scene.start();
    const { page, requests } = await watchedPage(browser);
    await page.goto(scene.url);
    await waitText(page, '#connection', /^live$/);
    const asked = (): number => requests.filter(url => url.endsWith('/status')).length;
    const happen = async (update: number): Promise<void> => {
      scene.clusters.set(`service-${update}`, { endpoints: [] });
      scene.publish();
      await waitText(page, '#timeline-list li', `service-${update}`);
    };
    const before = asked();
    const startMs = performance.now();
    for (let update = 1; update <= 15; update += 1) await happen(update);
    const most = Math.ceil((performance.now() - startMs) / 1_000) + 1;
    assert.ok(asked() - before <= most, `${asked() - before} requests, where ${most} are the most`);

    await page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })");
    const atRest = asked();
    for (let update = 16; update <= 22; update += 1) await happen(update);
    assert.ok(asked() - atRest <= 1, 'one may have been under way');
  });

  test('200 clients of six types are drawn without a pause that anybody feels, and the list of events does not grow', async () => {
    await using scene = new DashboardScene({ clusters: ['frontend'], clients: [podId] });
    await scene.start();
    const real = (await (await fetch(`${scene.url}/status`)).json()) as {
      clients: { types: { typeUrl: string; shortName: string; status: string }[] }[];
    };
    const { page, complaints } = await watchedPage(browser);
    let turn = 0;
    await page.route('**/status', async route => {
      const [client] = real.clients;
      turn += 1;
      const types = ['CDS', 'EDS', 'LDS', 'RDS', 'SDS', 'ECDS'].map((shortName, at) => ({
        ...client?.types[0],
        shortName,
        typeUrl: `type/${at}`,
        status: at === turn % 6 ? 'STALE' : 'SYNCED',
      }));
      const clients = Array.from({ length: 200 }, (_, at) => ({
        ...client,
        streamId: at + 1,
        nodeId: `node-${at}`,
        types,
      }));
      await route.fulfill({ json: { ...real, clients } });
    });
    const event = { kind: 'update', level: 'info', message: '1 changed', shortName: 'EDS', times: 1 };
    const sent = Array.from({ length: 1_500 }, (_, at) => {
      const names = { added: none, removed: none, changed: { count: 1, names: [`service-${at}`] } };
      return `event: happened\ndata: ${JSON.stringify({ ...event, seq: at + 1, wallMs: at, lastWallMs: at, names })}\n\n`;
    });
    await page.route('**/events?*', route =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: `event: hello\ndata: {"process":"1"}\n\n${sent.join('')}`,
      }),
    );
    await page.addInitScript(
      "globalThis.pausesMs = []; new PerformanceObserver(list => pausesMs.push(...list.getEntries().map(entry => entry.duration))).observe({ type: 'longtask', buffered: true })",
    );
    await page.goto(scene.url);
    await waitText(page, '#clients-sum', '200 streams');
    await waitText(page, '#timeline-count', '1 000 events, the newest 200 shown');
    await waitText(page, '#timeline-list li:first-child', 'service-1499');
    assert.equal(await page.locator('#timeline-list > li').count(), 200);
    await waitFor('a second drawing of the clients', waitMs, () => (turn > 1 ? true : undefined));
    assert.equal(await page.locator('#clients tbody tr').count(), 200);
    const pausesMs = (await page.evaluate('pausesMs')) as number[]; // Of the observer above.
    assert.ok(Math.max(0, ...pausesMs) < 500, `pauses of ${pausesMs.map(Math.round).join(', ')} ms`);
    assert.deepEqual(complaints, []);
  });
});
