import { countOf, formatAge, oneLine, reasonIn, shellWord } from '../admin/words.ts';
import type { ExplainedName, Explanation, ShownResource } from './agent-report.ts';
import type { Referrer } from './contents.ts';
import { clock, eventLine } from './event-text.ts';
import type { Paint } from './paint.ts';
import { plain } from './plain.ts';
import { formatBytes } from './table.ts';

/** What was found in contents besides; undefined where they may not be read. */
export interface Found {
  readonly referrers: readonly Referrer[] | undefined;
}

const wordsMax = 400;

/** An explanation as text: the conclusion first, then where it comes from, who has it, what became of it. */
export function renderExplanation(told: Explanation, besides: Found, paint: Paint): string {
  const [explanation, { referrers }] = plain([told, besides] as const);
  const { name, found, isKnown, near, nowWallMs } = explanation;
  const parts: string[] = [];
  if (isKnown) {
    for (const one of found) parts.push(renderIn(one, name, found, referrers, nowWallMs, paint));
  } else parts.push(renderUnknown(explanation, paint));
  const others = near.filter(one => one.name !== name);
  if (others.length > 0) {
    const list = others.map(one => `  weir explain ${shellWord(one.name)} ${one.shortName}\n`);
    parts.push(`Did you mean:\n${list.join('')}`);
  }
  return parts.join('\n');
}

function renderUnknown({ name, found }: Explanation, paint: Paint): string {
  const lines = [paint.bad(`Nothing is known of '${name}'.`)];
  for (const one of found) {
    const [what] = missingText(one, 0);
    lines.push(`  ${one.shortName}: ${what}`);
  }
  if (found.length === 0)
    lines.push(
      '  No client asks this agent for such a type. A type is asked for upstream once a client wants it (weir clients).',
    );
  return `${lines.join('\n')}\n`;
}

function renderIn(
  one: ExplainedName,
  name: string,
  all: readonly ExplainedName[],
  referrers: readonly Referrer[] | undefined,
  nowWallMs: number,
  paint: Paint,
): string {
  const { shortName, viewKey, typeUrl, resource, missing, refused, isRemovalHeld, events } = one;
  const isOneView = all.every(other => other.viewKey === viewKey);
  const head = `${shortName} '${name}'${isOneView ? '' : ` of node view ${viewKey}`}`;
  const lines: string[] = [];
  if (missing) {
    const [what, toDo] = missingText(one, nowWallMs);
    lines.push(`${head} ${paint.bad('IS NOT SERVED')}: ${what}`);
    if (toDo !== undefined) lines.push(`  to do: ${toDo}`);
  } else lines.push(`${head} ${servedHead(one, paint)}`);
  if (resource?.quarantine && !missing) {
    lines.push('  to do: mend it at the control plane; any other content ends the quarantine');
  }
  // What is refused stands below; what is served in its place was accepted.
  const shown = resource && refused ? { ...resource, trust: 'accepted' as const } : resource;
  if (shown) lines.push(`  content: ${contentText(shown, nowWallMs)}`);
  if (refused) {
    lines.push(
      `  refused: version ${refused.version || 'none'} (${formatBytes(refused.bytes)}), which the control plane sent last`,
    );
  }
  if (resource?.quarantine && !missing) lines.push(`  served instead: ${servedInstead(resource.quarantine.served)}`);
  lines.push(...wordLines(one, paint));
  lines.push(`  asked for by: ${askedText(one)}`);
  if (one.asked.deniedTo.length > 0) {
    lines.push(`  denied by scope to: ${one.asked.deniedTo.join(', ')} (setting scopes)`);
  }
  if (isRemovalHeld) {
    lines.push(
      `  the control plane removed it, and the guard holds that back; to do: if it is meant, weir guard pass ${shortName}`,
    );
  }
  lines.push(...upstreamLines(one, nowWallMs));
  lines.push(...referrerLines(referrers, typeUrl));
  if (events.length > 0) {
    lines.push('  lately:', ...events.map(event => `    ${eventLine(event, nowWallMs, paint).trimEnd()}`));
  }
  return `${lines.join('\n')}\n`;
}

function servedHead({ resource, asked }: ExplainedName, paint: Paint): string {
  const { words } = resource ?? {};
  if (!words || asked.clients === 0) return paint.good('is held; no client asks for it at the moment');
  const parts = [`${words.acked} accepted`];
  if (words.nacked > 0) parts.push(`${words.nacked} REJECTED`);
  if (words.sent > 0) parts.push(`${words.sent} sent, never acknowledged`);
  const open = words.subscribed - words.acked - words.nacked - words.sent;
  if (open > 0) parts.push(`${open} open`);
  const colour = words.nacked > 0 ? paint.warn : paint.good;
  return `${colour(`is served to ${countOf(words.subscribed, 'client')}`)}: ${parts.join(', ')}`;
}

function contentText(resource: Omit<ShownResource, 'body'>, nowWallMs: number): string {
  const { version, metadataVersion, bytes, source, server, isCurrent, confirmedWallMs, changedWallMs, trust, digest } =
    resource;
  const parts = [
    `from ${source}${server === undefined ? '' : ` (${server})`}`,
    version === '' ? '' : `version ${version}`,
    metadataVersion ? `metadata.version ${metadataVersion}` : '',
    bytes === 0 ? '' : `${formatBytes(bytes)}, digest ${digest.slice(0, 8)}`,
    changedWallMs === undefined
      ? ''
      : `came at ${clock(changedWallMs, nowWallMs)} (${formatAge(nowWallMs - changedWallMs)} ago)`,
    isCurrent
      ? 'current'
      : confirmedWallMs === undefined
        ? 'never confirmed'
        : `confirmed ${formatAge(nowWallMs - confirmedWallMs)} ago`,
    trust,
  ];
  return parts.filter(part => part !== '').join(', ');
}

function servedInstead(served: 'last accepted' | 'nothing' | 'all the same'): string {
  if (served === 'last accepted') return 'clients that start get the content before it, which was accepted';
  return served === 'nothing' ? 'nothing' : 'it is served all the same: there is nothing better';
}

/** Who rejected it, and in what words. Equal words of several clients are told once. */
function wordLines({ resource, rejectedAlongWith }: ExplainedName, paint: Paint): string[] {
  const byWords = new Map<string, string[]>();
  for (const { word, nodeId, error } of resource?.clients ?? []) {
    if (word !== 'nacked') continue;
    const words = reasonIn(error ?? 'without a word', wordsMax);
    byWords.set(words, [...(byWords.get(words) ?? []), nodeId]);
  }
  const { quarantine } = resource ?? {};
  if (byWords.size === 0 && quarantine)
    byWords.set(reasonIn(quarantine.words, wordsMax), ['every client that answered']);
  const others = rejectedAlongWith.map(name => `'${name}'`).join(', ');
  const along = others === '' ? '' : `, in one message with ${others}, which the words are about`;
  return [...byWords].map(
    ([words, nodes]) => `  ${paint.bad('rejected by')} ${[...new Set(nodes)].join(', ')}${along}: ${words}`,
  );
}

function askedText({ asked: { clients, nodeIds, isWildcard } }: ExplainedName): string {
  if (clients === 0) return isWildcard ? 'nobody now; everything of the type is still asked for' : 'nobody';
  const more = clients > nodeIds.length ? ' …' : '';
  return `${countOf(clients, 'client')} (${nodeIds.join(', ')}${more})${isWildcard ? ', with everything of the type' : ', by name'}`;
}

function upstreamLines({ upstreams }: ExplainedName, nowWallMs: number): string[] {
  return upstreams
    .filter(one => one.phase !== 'open' && one.phase !== 'idle')
    .map(one => {
      const since = one.sinceWallMs === 0 ? 'never reached' : `away for ${formatAge(nowWallMs - one.sinceWallMs)}`;
      return `  control plane ${one.address}: ${since}${one.lastError === undefined ? '' : ` (${oneLine(one.lastError, 200)})`}`;
    });
}

function referrerLines(referrers: readonly Referrer[] | undefined, typeUrl: string): string[] {
  if (referrers === undefined) return ['  referred to by: told on the admin socket only (--cache-dir DIR)'];
  const own = referrers.filter(one => one.typeUrl === typeUrl);
  return own.map(one => {
    const elsewhere = one.isElsewhere ? '; it is fetched from elsewhere than this control plane' : '';
    return `  referred to by: ${one.fromShortName} '${one.from}' (${one.where}${elsewhere})`;
  });
}

/** Why a name is not served, and what to do about it. */
function missingText(
  { missing, shortName, upstreams }: ExplainedName,
  nowWallMs: number,
): [what: string, toDo?: string] {
  if (!missing) return ['it is served'];
  switch (missing.kind) {
    case 'not asked for':
      return [
        'no client asks for it',
        'look at what should refer to it, and whether its client is connected (weir clients)',
      ];
    case 'out of scope':
      return ['this node may not see it', 'setting scopes says who may see what (docs/identities.md)'];
    case 'quarantined':
      return [
        'every client that answered rejected it, and nothing good is known of it',
        'mend it where it is written; what the control plane sends next is tried anew',
      ];
    case 'withheld':
      return [
        `it is held, but as of ${missing.ageMs === undefined ? 'an unknown time' : `${formatAge(missing.ageMs)} ago`}, too old for clients that start`,
        'mend the control plane, or allow more (settings maxAge, startup)',
      ];
    case 'error':
      return [
        `the control plane answered with error ${missing.code} in its place: ${oneLine(missing.message, wordsMax)}`,
        'look into the control plane',
      ];
    case 'removed':
      return [
        removedText(missing.event, nowWallMs),
        `ask the control plane why; weir events --type ${shortName} shows what else changed then`,
      ];
    case 'does not exist':
      return [
        missing.isInferred
          ? 'the control plane answered the same request without it: it does not exist there'
          : 'the control plane says that it does not exist',
        'look for its name in what refers to it, and whether the control plane has it',
      ];
    case 'not in the list':
      return [
        `the whole list of the control plane lacks it (${countOf(missing.resources, 'resource')})`,
        'look whether the control plane has it, and under which name',
      ];
    case 'list incomplete':
      return [
        `the control plane has not sent its whole list yet (${countOf(missing.resources, 'resource')} so far)`,
        'weir status says how its stream stands',
      ];
    case 'timed out':
      return [
        'the control plane has given no answer on it within the time that xDS allows',
        'look whether it has it; it may still send it',
      ];
    case 'upstream away': {
      const since = upstreams.find(one => one.phase !== 'open')?.sinceWallMs ?? 0;
      const how = since === 0 ? 'was never reached' : `has been away for ${formatAge(nowWallMs - since)}`;
      const key =
        shortName === 'SDS' ? '; what was in memory only (setting secrets) has gone with a restart of the agent' : '';
      return [
        `nothing is held of it, and the control plane ${how}${key}`,
        'mend the control plane (weir status); it is asked as soon as it is back',
      ];
    }
    case 'not answered':
      return [
        missing.waitedMs === undefined
          ? 'the control plane is being asked for it'
          : `the control plane was asked for it ${formatAge(missing.waitedMs)} ago and has not answered yet`,
      ];
    default:
      return missing satisfies never;
  }
}

const removedBecause: Readonly<Record<string, string>> = {
  response: 'the control plane removed it',
  switch: 'another control plane came into use, and does not have it',
  inferred: 'the control plane’s whole list came without it',
  guard: 'the control plane removed it, and the guard let it pass',
  ttl: 'its TTL was over',
};

type RemovalEvent = (ExplainedName['missing'] & { readonly kind: 'removed' })['event'];

function removedText(event: RemovalEvent, nowWallMs: number): string {
  if (!event) return 'the control plane removed it';
  const when = `${clock(event.wallMs, nowWallMs)} (${formatAge(nowWallMs - event.wallMs)} ago)`;
  return `${removedBecause[event.why ?? 'response']} at ${when}`;
}
