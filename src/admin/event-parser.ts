/** One message of an event stream. */
export interface EventMessage {
  /** Lets who comes back say what it has; empty without one. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Text without an end of a message that is kept, in characters: what is longer is no event stream of ours. */
const pendingMax = 1024 * 1024;

/** Reads an event stream as the HTML standard has it, as far as the agent makes use of it: messages of `id`, `event` and `data` lines. */
export class EventParser {
  #pending = '';

  /**
   * Takes the next piece of the stream, of any length.
   *
   * @returns the messages that end in it
   * @throws Error where the text cannot be an event stream of an agent
   */
  push(text: string): EventMessage[] {
    const parts = (this.#pending + text).split('\n\n');
    this.#pending = parts.pop() ?? '';
    if (this.#pending.length > pendingMax) throw new Error('this is no event stream of an agent');
    return parts.flatMap(part => {
      const fields = new Map(part.split('\n').map(fieldOf));
      const data = fields.get('data');
      // Only a comment, which says that the agent is alive, or a time to wait.
      if (data === undefined) return [];
      return [{ id: fields.get('id') ?? '', event: fields.get('event') ?? 'message', data }];
    });
  }
}

function fieldOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
}
