import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BrowserHeaders, dashboardFile, dashboardFiles, refusalOf } from '../../src/admin/browser.ts';
import { dashboardPage } from '../../src/admin/dashboard.ts';
import { eventQuery } from '../../src/admin/event-pages.ts';
import { EventStreams } from '../../src/admin/event-stream.ts';
import { Journal } from '../../src/agent/journal.ts';

const plain: BrowserHeaders = { host: undefined, site: undefined, mode: undefined, destination: undefined };

describe('requests of browsers', () => {
  test('this machine’s names and addresses are answered, any other name is not: it may have been rebound', () => {
    for (const host of [
      'localhost',
      'LOCALHOST:15920',
      'weir.localhost:80',
      '127.0.0.1:15920',
      '127.1.2.3',
      '[::1]:15920',
      '10.2.3.4:1',
    ]) {
      assert.equal(refusalOf({ ...plain, host }), undefined, host);
    }
    assert.equal(refusalOf(plain), undefined, 'HTTP/1.0 names none');
    for (const host of [
      'evil.example',
      'evil.example:15920',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'a',
      '',
      '1.2.3.4.5',
      '[evil]',
    ]) {
      assert.match(refusalOf({ ...plain, host }) ?? '', /Host header names/, host);
    }
  });

  test('another origin’s page may lead here and ask for nothing', () => {
    const host = 'localhost:15920';
    for (const site of ['same-origin', 'none'])
      assert.equal(refusalOf({ host, site, mode: 'cors', destination: 'empty' }), undefined);
    for (const site of ['same-site', 'cross-site', 'anything']) {
      assert.equal(refusalOf({ host, site, mode: 'navigate', destination: 'document' }), undefined);
      for (const [mode, destination] of [
        ['no-cors', 'script'],
        ['cors', 'empty'],
        ['no-cors', 'image'],
        ['navigate', 'iframe'],
      ] as const) {
        assert.match(
          refusalOf({ host, site, mode, destination }) ?? '',
          /another page/,
          `${site} ${mode} ${destination}`,
        );
      }
    }
  });

  test('who asks for HTML at / gets the dashboard, others the list, and so does ?pages', () => {
    const html = 'text/html,application/xhtml+xml,*/*;q=0.8';
    assert.equal(dashboardFile('GET', '/', html), 'index.html');
    assert.equal(dashboardFile('HEAD', '/?x=1', html), 'index.html');
    for (const [method, url, accept] of [
      ['GET', '/', '*/*'],
      ['GET', '/', ''],
      ['GET', '/?pages', html],
      ['POST', '/', html],
      ['GET', '/status', html],
    ] as const) {
      assert.equal(dashboardFile(method, url, accept), undefined, `${method} ${url}`);
    }
  });

  test('every file of the dashboard is served, and nothing else of any folder', () => {
    const folder = fileURLToPath(new URL('../../src/admin/dashboard', import.meta.url));
    const there = readdirSync(folder).filter(name => name !== 'tsconfig.json');
    assert.deepEqual([...dashboardFiles.keys()].sort(), there.sort());
    for (const name of there) {
      assert.equal(dashboardFile('GET', `/dashboard/${name}?v=1`, ''), name);
      const page = dashboardPage(name);
      assert.equal(page.status, 200);
      assert.match(page.headers?.['content-security-policy'] ?? '', /^default-src 'none'/);
    }
    for (const path of ['tsconfig.json', '../dashboard.ts', '..%2fserver.ts', '', 'index.html/', '__proto__']) {
      assert.equal(dashboardFile('GET', `/dashboard/${path}`, 'text/html'), undefined, path);
    }
  });

  test('a page that follows everything remembered is not cut off before it has read any of it', () => {
    const journal = new Journal();
    const name = 'n'.repeat(100);
    for (let at = 0; at < 6_000; at += 1) {
      const names = { added: [], removed: [], changed: [`${name}-${at}`] };
      const about = { typeUrl: `type.googleapis.com/${'t'.repeat(80)}`, viewKey: 'v'.repeat(64) };
      journal.add({ wallMs: at, kind: 'update', level: 'info', message: '1 changed', names, ...about });
      journal.add({ wallMs: at, kind: 'upstream', level: 'info', message: `${at} ${'m'.repeat(800)}`, ...about });
    }
    const streams = new EventStreams(journal, '1');
    const stream = streams.open({});
    assert.ok(stream && !stream.destroyed);
    assert.ok(stream.readableLength > 1_200_000, `${stream.readableLength} bytes`);
    streams.close();
  });

  test('nor if what is remembered takes many bytes for each character; one that reads nothing is, later', () => {
    const journal = new Journal();
    const happen = (kind: 'missing' | 'update', at: number): void => {
      const list = Array.from({ length: 20 }, (_, index) => `${at} ${index} ${'\u0001'.repeat(240)}`);
      const about = kind === 'update' ? { names: { added: [], removed: [], changed: list } } : { resources: list };
      journal.add({ wallMs: at, kind, level: 'info', message: `${at}`, ...about });
    };
    for (let at = 0; at < 200; at++) happen('missing', at);
    for (let at = 0; at < 200; at++) happen('update', at);
    const streams = new EventStreams(journal, '1');
    const stream = streams.open({});
    assert.ok(stream && !stream.destroyed);
    assert.ok(stream.readableLength > 4 * 1024 * 1024, `${stream.readableLength} bytes`);
    for (let at = 0; at < 400 && !stream.destroyed; at++) happen('missing', at);
    assert.ok(stream.destroyed);
  });

  test('who comes back is told what is new, and after a restart everything', () => {
    const query = (url: string, id?: string) => {
      const read = eventQuery(new URLSearchParams(url), id, { nowWallMs: 0, startedWallMs: 7, types: [] });
      return 'error' in read ? read.error : read.afterSeq;
    };
    assert.equal(query('after=40'), 40);
    assert.equal(query('after=40', '7-50'), 50);
    assert.equal(query('after=40', '6-50'), undefined, 'both numbers are those of an earlier process');
    assert.equal(query('', '6-50'), undefined);
  });
});
