/** @import { Status } from './connection.js' */
import { counted, labelsOf, oneLine, someOf } from './words.js';

/**
 * Something that is not as it should be. `note`: it is, and somebody may want to know.
 *
 * @typedef {object} Problem
 * @property {'note' | 'warn' | 'bad'} level
 * @property {string} what
 * @property {number} [sinceWallMs] wall time in ms
 * @property {string} [words] whose words tell more: the control plane's, a client's
 * @property {string} todo
 * @property {string} [command] to be run on the machine
 */

/**
 * What works, since when not, and what to do.
 *
 * @typedef {object} Verdict
 * @property {'ok' | 'warn' | 'bad'} level
 * @property {string} headline
 * @property {string} reason the agent's own
 * @property {number} [sinceWallMs] since when it is not as it should be, wall time in ms
 * @property {number} more how many problems there are besides the one of the headline, notes apart
 * @property {readonly Problem[]} problems the worst first
 */

const rank = { bad: 0, warn: 1, note: 2 };

/**
 * Says how an agent is doing.
 *
 * @param {Status} status
 * @returns {Verdict}
 */
export function verdictOf(status) {
  const { ready } = status;
  const problems = problemsOf(status).sort((a, b) => rank[a.level] - rank[b.level]);
  const serious = problems.filter(problem => problem.level !== 'note');
  const [first] = serious;
  const since = first?.sinceWallMs === undefined ? {} : { sinceWallMs: first.sinceWallMs };
  const common = { reason: ready.reason, more: 0, problems };
  if (status.isDraining) return { level: 'warn', headline: 'The agent is ending', ...common };
  if (!ready.isOk) return { level: 'bad', headline: 'Not ready', ...since, ...common };
  if (!first) return { level: 'ok', headline: 'All is well', ...common };
  const level = first.level === 'bad' ? 'bad' : 'warn';
  return { level, headline: `Serving. ${first.what}`, ...since, ...common, more: serious.length - 1 };
}

/**
 * @param {Status} status
 * @returns {Problem[]}
 */
function problemsOf(status) {
  return [
    ...awayProblems(status),
    ...credentialProblems(status),
    ...typeProblems(status),
    ...clientProblems(status),
    ...cacheProblems(status),
  ];
}

/** @param {Status} status @returns {Problem[]} */
function awayProblems({ upstreams, servers, types, cache }) {
  const isKept = types.some(type => type.resources > 0 || type.state === 'known');
  /** @type {Problem[]} */
  const problems = [];
  for (const { group, address, phase, isInUse, sinceWallMs, lastError } of upstreams) {
    if (!isInUse || phase === 'open' || phase === 'idle') continue;
    const which = group === 'main' ? `The control plane ${address}` : `The control plane ${address} (${group})`;
    problems.push({
      level: isKept ? 'warn' : 'bad',
      what: sinceWallMs === 0 ? `${which} was not reached yet` : `${which} is away`,
      ...(sinceWallMs > 0 && { sinceWallMs }),
      ...(lastError !== undefined && { words: oneLine(lastError) }),
      todo: isKept
        ? `Clients keep what they have, and those that start are given it. ${restartWords(types, cache)} See to the control plane; Weir connects by itself.`
        : 'Nothing is kept that could be served. See to the control plane and the way there; Weir connects by itself.',
    });
  }
  const current = upstreams.find(one => one.isInUse && one.group === 'main' && one.phase === 'open');
  const place = current ? servers.indexOf(current.address) : -1;
  if (current && place > 0) {
    problems.push({
      level: 'note',
      what: `${current.address} is in use, number ${place + 1} of ${servers.length} control planes`,
      sinceWallMs: current.sinceWallMs,
      todo: `Weir goes back to ${servers[0]} by itself.`,
    });
  }
  return problems;
}

/**
 * Whether the agent may be restarted in an outage.
 *
 * @param {Status['types']} types
 * @param {Status['cache']} cache
 */
function restartWords(types, cache) {
  if (!cache) return 'Do not restart the agent: what it keeps is in memory alone.';
  if (cache.state === 'failing') return 'Do not restart the agent: the disk has less than it keeps.';
  const hasSecrets = types.some(type => /[./]Secret$/.test(type.typeUrl) && type.resources > 0);
  const but = hasSecrets ? ', secrets only if they are kept encrypted (setting secrets)' : '';
  return `A restart of the agent is safe: what it keeps is on disk${but}.`;
}

/** @param {Status} status @returns {Problem[]} */
function credentialProblems({ upstreams }) {
  return upstreams.flatMap(({ address, unauthenticatedSinceWallMs: since }) =>
    since === undefined
      ? []
      : {
          level: 'bad',
          what: `${address} does not accept our certificate or token`,
          sinceWallMs: since,
          todo: 'Renew it where it comes from. Weir reads its files again by itself.',
        },
  );
}

/** @param {Status} status @returns {Problem[]} */
function typeProblems({ types }) {
  const labels = labelsOf(types);
  /** @type {Problem[]} */
  const problems = [];
  for (const type of types) {
    const label = labels.get(type.typeUrl) ?? type.shortName;
    const [refused] = type.quarantined;
    if (refused) {
      const names = type.quarantined.map(one => one.name);
      const served =
        refused.served === 'nothing' ? 'are given nothing in its place' : 'go on with what they took before';
      problems.push({
        level: 'warn',
        what: `${label}: clients reject ${someOf(names)}`,
        sinceWallMs: Math.min(...type.quarantined.map(one => one.sinceWallMs)),
        words: oneLine(refused.words),
        todo: `Mend it where it is made. Until then clients ${served}.`,
        command: `weir explain ${quoted(refused.name)}`,
      });
    }
    if (type.heldRemovals > 0) {
      problems.push({
        level: 'warn',
        what: `${label}: the guard holds back ${counted(type.heldRemovals, 'removal')}`,
        todo: 'The list shrank suddenly. If that is meant, let it pass:',
        command: `weir guard pass ${quoted(type.shortName)}`,
      });
    }
    if (type.isStale || type.isWithheld) {
      problems.push({
        level: 'warn',
        what: `${label} is older than allowed${type.isWithheld ? ', and withheld from clients that start' : ''}`,
        todo: 'See to the control plane, or allow more (setting max-age).',
      });
    }
    if (type.namesMissing > 0) {
      problems.push({
        level: 'note',
        what: `${label}: ${counted(type.namesMissing, 'name')} asked for that ${type.namesMissing === 1 ? 'does' : 'do'} not exist`,
        todo: 'See which, and who refers to them, in what happened below.',
      });
    }
  }
  return problems;
}

/** Rejections that did not become a quarantine: some client took what others did not. @param {Status} status @returns {Problem[]} */
function clientProblems({ types, clients }) {
  const quarantined = new Set(types.filter(type => type.quarantined.length > 0).map(type => type.typeUrl));
  const labels = labelsOf(clients.flatMap(client => client.types));
  /** @type {Map<string, { nodes: Set<string>, words: string }>} */
  const rejected = new Map();
  for (const client of clients) {
    for (const { typeUrl, status, lastError = '' } of client.types) {
      if (status !== 'REJECTED' || quarantined.has(typeUrl)) continue;
      const one = rejected.get(typeUrl) ?? { nodes: new Set(), words: oneLine(lastError) };
      one.nodes.add(client.nodeId);
      rejected.set(typeUrl, one);
    }
  }
  return [...rejected].map(([typeUrl, { nodes, words }]) => ({
    level: 'warn',
    what: `${labels.get(typeUrl) ?? typeUrl}: rejected by ${someOf([...nodes])}`,
    words,
    todo: 'These clients go on with what they took before. Their words say what they cannot take.',
  }));
}

/** @param {Status} status @returns {Problem[]} */
function cacheProblems({ cache }) {
  if (cache?.state !== 'failing') return [];
  return [
    {
      level: 'warn',
      what: 'The disk cache cannot be written',
      ...(cache.sinceWallMs !== undefined && { sinceWallMs: cache.sinceWallMs }),
      ...(cache.error !== undefined && { words: oneLine(cache.error) }),
      todo: 'A restart now would begin with what is on disk, which is older. Make room, or mend the volume.',
    },
  ];
}

/** A word of a shell. @param {string} word */
function quoted(word) {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
