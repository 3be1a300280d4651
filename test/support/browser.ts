import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** What a page has done that a page of ours must not do, or that is to be looked through. */
export interface Watched {
  readonly page: Page;
  /** Errors and warnings of the page and of the browser about it, oldest first. */
  readonly complaints: readonly string[];
  /** Addresses that were asked for. */
  readonly requests: readonly string[];
}

/** Starts a Chromium without a window. */
export async function startChromium(executablePath: string): Promise<Browser> {
  return await chromium.launch({ executablePath });
}

/** Opens a page in a session of its own, and watches it from its first moment. */
export async function watchedPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(error.message));
  page.on('request', request => requests.push(request.url()));
  return { page, complaints, requests };
}

/** Text of axe-core, which is run in the page. */
const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** What axe-core finds wrong for people who do not see, do not point, or see little: a line each, with the element. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = (await page.evaluate('axe.run(document)')) as AxeResults; // As axe-core documents it.
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary = '' }) => `${id}: ${help}: ${html.slice(0, 200)} ${failureSummary}`),
  );
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

// Types of the browser that Playwright's own name. Here no code of a page is written, so their names are all that is needed of them.
declare global {
  interface Node {
    readonly nodeType: number;
  }
  interface HTMLElement extends Node {
    readonly tagName: string;
  }
  interface SVGElement extends Node {
    readonly tagName: string;
  }
  interface HTMLElementTagNameMap {
    readonly a: HTMLElement;
  }
}
