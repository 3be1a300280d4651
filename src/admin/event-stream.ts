import { Readable } from 'node:stream';
import type { AgentEvent, EventQuery } from './agent-event.ts';
import { isAsked, serverSent } from './event-pages.ts';

/** Streams at a time: each costs a little with every event. */
const streamsMax = 16;
/** How often a stream that has nothing to tell says that it is alive, in ms: whoever went without a word is noticed by it. */
const aliveEveryMs = 15_000;
/**
 * Bytes that a reader may be behind, besides all that was remembered when it came; past it the stream ends, and it may come back and say what it has.
 */
const behindBytesMax = 4 * 1024 * 1024;

/** Where events come from. */
export interface EventFeed {
  /** Number of the newest event, 0 before one. */
  readonly lastSeq: number;
  /** What happened lately, oldest first. */
  events(query: EventQuery): Iterable<AgentEvent>;
  /** Tells what happens from now on, until the returned function is called. */
  watch(watcher: (event: AgentEvent) => void): () => void;
}

/** Streams of what has happened and happens, as server-sent events. */
export class EventStreams {
  readonly #feed: EventFeed;
  /** What makes the numbers of this process's events differ from those of the one before. */
  readonly #process: string;
  readonly #open = new Set<Readable>();

  constructor(feed: EventFeed, process: string) {
    this.#feed = feed;
    this.#process = process;
  }

  /** @returns a stream until its reader goes; undefined when as many as there may be are open */
  open(query: EventQuery): Readable | undefined {
    if (this.#open.size >= streamsMax) return undefined;
    const feed = this.#feed;
    const stream = new Readable({ read: () => {} });
    this.#open.add(stream);
    const hello = { process: this.#process, lastSeq: feed.lastSeq };
    stream.push(`retry: 1000\nevent: hello\ndata: ${JSON.stringify(hello)}\n\n`);
    for (const event of feed.events(query)) stream.push(serverSent(event, this.#process));
    // How many bytes a remembered character takes depends on the names of others: whatever it comes to, it is sent.
    const bytesMax = stream.readableLength + behindBytesMax;
    const send = (text: string): void => {
      if (stream.readableEnded || stream.readableLength > bytesMax) stream.destroy();
      else stream.push(text);
    };
    const unwatch = feed.watch(event => {
      if (isAsked(query, event)) send(serverSent(event, this.#process));
    });
    const timer = setInterval(() => send(': alive\n\n'), aliveEveryMs).unref();
    stream.once('close', () => {
      this.#open.delete(stream);
      unwatch();
      clearInterval(timer);
    });
    return stream;
  }

  /** The agent ends, and so do they. */
  close(): void {
    for (const stream of this.#open) stream.destroy();
  }
}
