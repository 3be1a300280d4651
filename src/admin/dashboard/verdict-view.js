/** @import { ConnectionState } from './connection.js' */
/** @import { Problem, Verdict } from './verdict.js' */
import { aging, byId, element, reconcile, setAttributes, setText } from './dom.js';
import { clockTime, counted, span } from './words.js';

const stateText = { connecting: 'connecting', live: 'live', polling: 'live, without events' };

/**
 * Shows the verdict. What is read aloud holds no running time, or it would be read each second.
 *
 * @param {Verdict | undefined} verdict undefined before the first one
 * @param {ConnectionState} connection
 * @param {number} nowWallMs the agent's
 */
export function showVerdict(verdict, connection, nowWallMs) {
  const isLost = connection.kind === 'lost';
  setAttributes(byId('verdict'), { 'data-level': isLost ? 'lost' : (verdict?.level ?? 'unknown') });
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
    if (verdict) {
      const since = verdict.sinceWallMs === undefined ? '' : ` since ${clockTime(verdict.sinceWallMs, nowWallMs)}`;
      const more = verdict.more === 0 ? '' : `, and ${counted(verdict.more, 'more problem')}`;
      setText(byId('headline'), `${verdict.headline}${since}${more}`);
      setText(byId('reason'), verdict.reason);
      document.title = `Weir: ${verdict.headline}`;
    }
  }
  setAttributes(chip, { 'data-kind': isLost ? 'bad' : connection.kind === 'live' ? 'ok' : 'warn' });
  const problems = verdict?.problems ?? [];
  reconcile(
    byId('problems'),
    problems,
    problem => problem.what,
    problem => JSON.stringify([problem, ageOf(problem, nowWallMs)]),
    (problem, before) => aging(before, JSON.stringify(problem), ageOf(problem, nowWallMs), age => draw(problem, age)),
  );
}

/** @param {Problem} problem @param {number} nowWallMs */
function ageOf({ sinceWallMs }, nowWallMs) {
  return sinceWallMs === undefined ? '' : `for ${span(nowWallMs - sinceWallMs)}`;
}

const levelWord = { bad: 'Failing', warn: 'Attention', note: 'Note' };

/** @param {Problem} problem @param {Element} age */
function draw({ level, what, words, todo, command }, age) {
  const advice = [todo, ...(command === undefined ? [] : [' ', element('code', { class: 'command' }, command)])];
  const chip = element('span', { class: 'chip', 'data-kind': level }, levelWord[level]);
  return element(
    'li',
    { 'data-level': level },
    element('p', {}, chip, ' ', element('b', {}, what), ' ', age),
    words === undefined ? undefined : element('p', { class: 'words' }, words),
    element('p', {}, ...advice),
  );
}
