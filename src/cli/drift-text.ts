import type { AdminClient } from '../admin/client.ts';
import type { Paint } from './paint.ts';
import { formatTable } from './table.ts';

/** The last drift check of an agent. */
export type LastDrift = NonNullable<Awaited<ReturnType<AdminClient['drift']>>['last']>;
type Check = LastDrift['checks'][number];
type Names = Check['types'][number]['missing'];

const verdicts = {
  same: 'what is held is what the control plane has',
  differs: 'DRIFT: what is held is not what the control plane has',
  incomplete: 'no difference in what the control plane has answered for',
  failed: 'the check failed',
} as const;

/** Names told of each kind of difference. */
const toldMax = 10;

/** What a drift check found, the verdict of each stream first. */
export function renderDrift({ checks }: LastDrift, paint: Paint): string {
  if (checks.length === 0) return 'Nothing is asked of a control plane, so there is nothing to compare.\n';
  return checks.map(check => renderCheck(check, checks.length > 1, paint)).join('\n');
}

/** What to do about it; empty where there is nothing to do. */
export function adviceFor({ checks }: LastDrift): string {
  if (!checks.some(check => check.outcome === 'differs')) return '';
  return [
    'Restarting the agent’s stream brings everything anew: weir record --for 5s --out drift.ndjson does that and keeps what is said, for a bug report.',
    'weir explain NAME says where a resource came from and when; weir events --name NAME what became of it.',
    'With a SotW control plane, endpoints and routes that it has removed stay as long as a client names them: it has no word for their end.',
    '',
  ].join('\n');
}

function renderCheck(check: Check, isOfSeveral: boolean, paint: Paint): string {
  const { outcome, reason, nodeId, group, address, types } = check;
  const colour = outcome === 'same' ? paint.good : outcome === 'differs' ? paint.bad : paint.warn;
  const whose = isOfSeveral ? `${nodeId || check.viewKey.slice(0, 8)} ${group}: ` : '';
  const why = reason === undefined ? '' : `: ${reason.replace(/[\s\p{Cc}]+/gu, ' ')}`;
  const lines = [`${whose}${colour(verdicts[outcome])}${why} (${address})\n`];
  if (types.length > 0) {
    const rows = types.map(({ shortName, fetched, missing, extra, different, isOpen }) => [
      shortName,
      String(fetched),
      String(missing.count),
      String(extra.count),
      String(different.count),
      isOpen ? 'not answered in full' : '',
    ]);
    lines.push(formatTable([['TYPE', 'FETCHED', 'MISSING', 'TOO MANY', 'DIFFERENT', 'REMARK'], ...rows]));
  }
  for (const { shortName, missing, extra, different } of types) {
    const told: readonly (readonly [string, Names])[] = [
      ['missing here', missing],
      ['not at the control plane', extra],
      ['different', different],
    ];
    for (const [what, { count, names }] of told) {
      if (count === 0) continue;
      const more = count > toldMax ? ` and ${count - toldMax} more` : '';
      lines.push(`${shortName} ${what}: ${names.slice(0, toldMax).join(', ')}${more}\n`);
    }
  }
  return lines.join('');
}
