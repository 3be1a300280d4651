import type { ChannelEvent } from '../upstream/channel.ts';
import type { UpstreamEffect } from '../upstream/session-events.ts';
import type { Clock } from '../xds/types.ts';
import type { Change } from './intake.ts';
import type { TypeView } from './type-view.ts';
import type { View } from './view.ts';

/** What an event of an upstream stream came to. */
export interface Heard {
  readonly effects: readonly UpstreamEffect[];
  /** What clients have to hear of, and upstream's answer waits for. */
  readonly change?: Change | undefined;
  /** Types whose clients have to be told something besides. */
  readonly touched: readonly TypeView[];
}

const nothing: Heard = { effects: [], touched: [] };

/** Has a view take in what happened on one of its upstream streams. An event of a stream that it has not, or not any more, is passed over. */
export function takeIn(view: View, event: ChannelEvent, clock: Clock): Heard {
  const { streamId } = event;
  const session = view.sessionOf(streamId);
  if (!session) return nothing;
  switch (event.kind) {
    case 'upstream_opened':
      view.opened(session, streamId, clock);
      return nothing;
    case 'upstream_writable':
      session.writable(streamId, clock.monotonicMs);
      return nothing;
    case 'upstream_response':
      return { ...view.received(session, streamId, event.bytes, clock), touched: [] };
    case 'upstream_alive':
      session.alive(streamId, clock.monotonicMs);
      return { effects: [], touched: view.alive(session, clock) };
    case 'upstream_leaving':
      session.serverLeaves(streamId, clock.monotonicMs);
      return nothing;
    case 'upstream_closed':
      view.closed(session, streamId, event, clock);
      return nothing;
  }
}
