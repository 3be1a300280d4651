import { dashboardFiles } from './browser.ts';
import { readDashboardFile } from './dashboard-files.ts';
import type { Page } from './routes.ts';

/** Nothing from elsewhere, nothing inline, no frame around it, no form that leaves. What is shown is text, whoever wrote it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/**
 * A file of the dashboard. It is read anew for each request: between two visits nothing of the dashboard is in memory.
 *
 * @param name one of {@link dashboardFiles}
 * @throws Error when the file is not there
 */
export function dashboardPage(name: string): Page {
  return {
    status: 200,
    contentType: dashboardFiles.get(name) ?? 'text/plain; charset=utf-8',
    headers: {
      'content-security-policy': policy,
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      vary: 'accept',
    },
    body: [readDashboardFile(name)],
  };
}
