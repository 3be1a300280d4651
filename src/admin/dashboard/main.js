/** @import { ConnectionState, Status } from './connection.js' */
import { Charts } from './charts.js';
import { showClients } from './clients.js';
import { Connection } from './connection.js';
import { byId, setText } from './dom.js';
import { Search } from './search.js';
import { Timeline } from './timeline.js';
import { showTypes } from './types.js';
import { showUpstream } from './upstream.js';
import { showVerdict } from './verdict-view.js';

const charts = new Charts();
const timeline = new Timeline();
new Search();

/** What is shown, and when it came, by the page's own clock in ms. @type {{ status: Status, atMs: number } | undefined} */
let shown;
/** @type {ConnectionState} */
let connection = { kind: 'connecting' };

/** What the agent's clock says now; while it does not answer, what it said last. */
function nowWallMs() {
  if (!shown) return Date.now();
  return shown.status.nowWallMs + (connection.kind === 'lost' ? 0 : performance.now() - shown.atMs);
}

/** What tells how long ago something was. */
function showAges() {
  showVerdict(shown?.status, connection, nowWallMs());
  if (shown) showUpstream(shown.status, nowWallMs());
}

new Connection({
  onStatus(status) {
    shown = { status, atMs: performance.now() };
    const nodes = [...new Set(status.clients.map(client => client.nodeId).filter(Boolean))];
    setText(
      byId('agent'),
      nodes.length === 0 ? location.host : nodes.length === 1 ? (nodes[0] ?? '') : `${nodes.length} nodes`,
    );
    showAges();
    showTypes(status, nowWallMs());
    showClients(status, nowWallMs());
  },
  onEvents: (events, process) => timeline.add(events, process),
  onTrend: points => charts.show(points),
  onState(state) {
    connection = state;
    showAges();
  },
});
setInterval(() => !document.hidden && showAges(), 1_000);
