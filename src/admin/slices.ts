/** How long a page is made at a stretch, in ms: what comes for clients meanwhile waits for so long at most, at each turn that it takes. */
const sliceMs = 0.5;
/** A turn of the event loop that took longer than this, in ms, had something else to do. */
const busyTurnMs = 0.3;
/** So long the page then waits, in ms: an update goes to its clients in several turns, and a slice in each of them would add up. */
const pauseMs = 4;
/** Text that is written at once, in characters: each write is one chunk of HTTP. */
const pieceLength = 64 * 1024;

/**
 * Takes a page piece by piece, and lets everything else go first. A stream alone would not: a reader on the same machine takes what is written at
 * once, so that ten thousand resources are one long pause.
 */
export async function* inSlices(body: Iterable<string | Uint8Array>): AsyncGenerator<string | Uint8Array> {
  let text = '';
  let sinceMs = performance.now();
  for (const piece of body) {
    if (typeof piece !== 'string') {
      if (text !== '') yield text;
      text = '';
      yield piece;
    } else text += piece;
    const isSliceOver = performance.now() - sinceMs >= sliceMs;
    if (text.length >= pieceLength) {
      yield text;
      text = '';
    }
    if (!isSliceOver) continue;
    await turn();
    sinceMs = performance.now();
  }
  if (text !== '') yield text;
}

/** Resolves when everything else has had its turn. */
async function turn(): Promise<void> {
  const startMs = performance.now();
  await new Promise<void>(resolve => setImmediate(resolve));
  if (performance.now() - startMs < busyTurnMs) return;
  await new Promise<void>(resolve => setTimeout(resolve, pauseMs));
}
