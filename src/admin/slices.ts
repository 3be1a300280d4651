/** How long a page is made at a stretch, in ms: what comes for clients meanwhile waits for so long at most. */
const sliceMs = 2;
/** Text that is written at once, in characters: each write is one chunk of HTTP. */
const pieceLength = 64 * 1024;

/**
 * Takes a page piece by piece, and lets everything else have its turn in between. A stream alone would not: a reader on the same machine takes what is
 * written at once, so that ten thousand resources are one long pause.
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
    await new Promise<void>(resolve => setImmediate(resolve));
    sinceMs = performance.now();
  }
  if (text !== '') yield text;
}
