/** @import { Finding, Verdict } from '../verdict.ts' */
/** @import { ConnectionState, Status } from './connection.js' */
import { aging, byId, element, reconcile, setAttributes, setText } from './dom.js';
import { clockTime, counted, span } from './words.js';

const stateText = { connecting: 'connecting', live: 'live', polling: 'live, without events' };
/** @type {Readonly<Record<Verdict['state'], 'ok' | 'warn' | 'bad'>>} */
const levelOf = { ok: 'ok', degraded: 'warn', broken: 'bad', starting: 'warn', draining: 'warn' };

/**
 * Shows the verdict, which is the agent's. What is read aloud holds no running time, or it would be read each second.
 *
 * @param {Status | undefined} status undefined before the first one
 * @param {ConnectionState} connection
 * @param {number} nowWallMs the agent's
 */
export function showVerdict(status, connection, nowWallMs) {
  const isLost = connection.kind === 'lost';
  const verdict = status?.verdict;
  setAttributes(byId('verdict'), { 'data-level': isLost ? 'lost' : verdict ? levelOf[verdict.state] : 'unknown' });
  setAttributes(document.body, { 'data-connection': connection.kind });
  const chip = byId('connection');
  if (isLost) {
    const time = clockTime(connection.sinceWallMs, Date.now());
    setText(chip, `disconnected for ${span(Date.now() - connection.sinceWallMs)}`);
    setText(byId('headline'), `No answer from the agent since ${time}`);
    setText(byId('reason'), 'What is shown is as it was then. This page connects again by itself.');
    document.title = 'Weir: no answer';
  } else {
    setText(chip, stateText[connection.kind]);
    if (status && verdict) {
      setText(byId('headline'), headlineOf(verdict, nowWallMs));
      setText(byId('reason'), verdict.state === 'ok' ? capital(verdict.sentence) : capital(status.ready.reason));
      const { isSafe, why } = verdict.restart;
      setText(byId('restart'), `A restart ${isSafe ? 'is safe' : 'is NOT safe'}: ${why}.`);
      document.title = `Weir: ${titleOf(verdict)}`;
    }
  }
  setAttributes(chip, { 'data-kind': isLost ? 'bad' : connection.kind === 'live' ? 'ok' : 'warn' });
  reconcile(
    byId('problems'),
    verdict?.findings ?? [],
    finding => finding.what,
    finding => JSON.stringify([stable(finding), ageOf(finding, nowWallMs)]),
    (finding, before) =>
      aging(before, JSON.stringify(stable(finding)), ageOf(finding, nowWallMs), age => draw(finding, age)),
  );
}

/** What is worst, or that nothing is. @param {Verdict} verdict */
function titleOf({ state, findings: [worst] }) {
  if (state === 'draining') return 'The agent is ending';
  if (state === 'starting') return 'No client has connected yet';
  if (state === 'ok' || !worst) return 'All is well';
  return state === 'degraded' ? `Serving. ${capital(worst.what)}` : capital(worst.what);
}

/** @param {Verdict} verdict @param {number} nowWallMs */
function headlineOf(verdict, nowWallMs) {
  const [worst, ...others] = verdict.findings.filter(finding => finding.severity !== 'notice');
  const since = worst?.sinceWallMs === undefined ? '' : ` since ${clockTime(worst.sinceWallMs, nowWallMs)}`;
  const more = others.length === 0 ? '' : `, and ${counted(others.length, 'more problem')}`;
  return `${titleOf(verdict)}${since}${more}`;
}

/** Without the sentence, in which a time runs. @param {Finding} finding */
function stable({ sentence: _, ...finding }) {
  return finding;
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {Finding} finding @param {number} nowWallMs */
function ageOf({ sinceWallMs }, nowWallMs) {
  return sinceWallMs === undefined ? '' : `for ${span(nowWallMs - sinceWallMs)}`;
}

const levelWord = { broken: 'Failing', degraded: 'Attention', notice: 'Note' };
const levelKind = { broken: 'bad', degraded: 'warn', notice: 'note' };

/** @param {Finding} finding @param {Element} age */
function draw({ severity, what, words, toDo, command }, age) {
  const kind = levelKind[severity];
  const advice = [
    ...(toDo === undefined ? [] : [capital(toDo), command === undefined ? '.' : ': ']),
    ...(command === undefined ? [] : [element('code', { class: 'command' }, command)]),
  ];
  const chip = element('span', { class: 'chip', 'data-kind': kind }, levelWord[severity]);
  return element(
    'li',
    { 'data-level': kind },
    element('p', {}, chip, ' ', element('b', {}, capital(what)), ' ', age),
    words === undefined ? undefined : element('p', { class: 'words' }, words),
    advice.length === 0 ? undefined : element('p', {}, ...advice),
  );
}
