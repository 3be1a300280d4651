import type { SourceEvent } from '../../src/source/source-events.ts';

/** What a reader told, in words, to be waited for. */
export class SourceLog {
  readonly #words: string[] = [];
  #taken = 0;
  #look: (() => void) | undefined;

  readonly tell = (event: SourceEvent): void => {
    this.#words.push(describeEvent(event));
    this.#look?.();
  };

  /** Everything that was told. */
  get all(): readonly string[] {
    return this.#words;
  }

  /** The next so many events. @throws Error after `timeoutMs`, with what came */
  async take(count: number, timeoutMs = 10_000): Promise<string[]> {
    const isThere = (): boolean => this.#words.length - this.#taken >= count;
    if (!isThere()) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          this.#look = undefined;
          reject(
            new Error(
              `waited ${timeoutMs} ms for ${count} events; told were\n${this.#words.slice(this.#taken).join('\n')}`,
            ),
          );
        }, timeoutMs);
        this.#look = () => {
          if (!isThere()) return;
          clearTimeout(timer);
          this.#look = undefined;
          resolve();
        };
      });
    }
    const taken = this.#words.slice(this.#taken, this.#taken + count);
    this.#taken += count;
    return taken;
  }

  /** What was told and not taken. */
  get rest(): readonly string[] {
    return this.#words.slice(this.#taken);
  }
}

/** An event in words: `Gateway whole shop/a@1 shop/b@2`. */
export function describeEvent(event: SourceEvent): string {
  const of = 'of' in event ? (event.of?.kind ?? 'all') : 'mesh config';
  switch (event.kind) {
    case 'whole':
      return [of, 'whole', ...event.resources.map(({ name, version }) => `${name}@${version}`)].join(' ');
    case 'changed':
      return [
        of,
        'changed',
        ...event.resources.map(({ name, version }) => `${name}@${version}`),
        ...event.removed.map(name => `-${name}`),
      ].join(' ');
    case 'mesh_config':
      return `${of} ${event.any === undefined ? 'none' : `of ${event.any.length} bytes`}`;
    case 'trouble':
      return `${of} trouble: ${event.text}`;
    case 'recovered':
      return `${of} recovered`;
  }
}
