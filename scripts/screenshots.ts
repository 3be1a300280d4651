import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { waitFor } from '../src/demo/processes.ts';
import { startChromium, watchedPage } from '../test/support/browser.ts';
import { findChromium } from '../test/support/chromium.ts';
import { DashboardScene } from '../test/support/dashboard-scene.ts';

// `npm run screenshots`: the pictures of docs/dashboard.md, from a real run of some five minutes: updates, a rejection, an outage.

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs', 'pictures');
const podId = 'sidecar~10.4.1.7~cart-6f9c4d~shop';
const services = [
  'frontend',
  'cart',
  'checkout',
  'payments',
  'shipping',
  'catalog',
  'reviews',
  'ratings',
  'search',
  'users',
  'stock',
  'email',
];
const clusters = services.flatMap(name => [`outbound|8080||${name}.shop`, `outbound|9090||${name}.shop`]);
/** Points of the last hour before the first picture, and in the outage: one every ten seconds. */
const calmPoints = 18;
const outagePoints = 8;
const waitMs = 30_000;
const desktop = { width: 1240, height: 700 };

async function seen(page: Page, selector: string, text: RegExp | string): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: waitMs });
}

async function take(part: Page | Locator, name: string): Promise<void> {
  const path = join(folder, `${name}.png`);
  await part.screenshot({ path, animations: 'disabled', caret: 'hide' });
  process.stdout.write(`${path}: ${Math.round(statSync(path).size / 1000)} kB\n`);
}

/** Waits until the agent has taken so many more looks at itself, and does something meanwhile. */
async function points(scene: DashboardScene, more: number, meanwhile: () => unknown = () => {}): Promise<void> {
  const look = async (): Promise<number> => {
    const body = (await (await fetch(`${scene.url}/trend`)).json()) as { points: unknown[] }; // As the agent writes it.
    return body.points.length;
  };
  const enough = (await look()) + more;
  await waitFor('the last hour to grow', more * 15_000, async () => {
    meanwhile();
    await new Promise(resolve => setTimeout(resolve, 500));
    return (await look()) >= enough ? true : undefined;
  });
}

const chromium = findChromium();
if (chromium === undefined) {
  process.stderr.write('screenshots: there is no Chromium; `npm run get-chromium` brings one\n');
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
await using scene = new DashboardScene({ clusters, clients: [podId, podId] });
await scene.start();
const browser = await startChromium(chromium);
try {
  const { page } = await watchedPage(browser, { viewport: desktop, colorScheme: 'light' });
  await page.goto(scene.url);
  let moves = 0;
  const update = (): void => {
    const burst = moves % 7 === 0 ? 6 : 1;
    for (let at = 0; at < burst; at += 1) {
      moves += 1;
      scene.move(clusters[(moves * 5) % clusters.length] ?? '', moves);
    }
  };
  await points(scene, calmPoints, update);
  await seen(page, '#headline', 'All is well');
  await take(page, 'dashboard-light');

  await page.emulateMedia({ colorScheme: 'dark' });
  scene.addPickyClient(podId, 'outbound|8080||checkout-v3.shop');
  await seen(page, '#clients-sum', '3 streams');
  scene.clusters.set('outbound|8080||checkout-v3.shop', { endpoints: [] });
  scene.publish();
  await seen(page, '#problems', 'rejects');
  await points(scene, 2, update);
  scene.controlPlane.stop();
  await seen(page, '#headline', 'is away');
  await points(scene, outagePoints);
  await take(page, 'dashboard-outage');
  await page.locator('#search-text').fill('checkout-v3');
  await seen(page, '#search-found li', 'rejected by 1');
  await page.locator('#search-found summary').first().click();
  await seen(page, '#search-found .clients', 'rejected it');
  await page.emulateMedia({ colorScheme: 'light' });
  await take(page.locator('#search'), 'dashboard-search');
  await take(page.locator('#trend'), 'dashboard-trend');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 390, height: 900 });
  await page.evaluate('scrollTo(0, 0)');
  await take(page, 'dashboard-phone');
} finally {
  await browser.close();
}
