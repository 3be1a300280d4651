import type { FolderNote } from './folder.ts';
import type { SourceLine } from './notes.ts';

/** Turns what the folder's reader notes into a log line. */
export function describeFolder(note: FolderNote): SourceLine {
  switch (note.kind) {
    case 'folder_read': {
      const { kind: _, tookMs, ...counts } = note;
      return { level: 'info', message: 'folder read', fields: { ...counts, tookMs: Math.round(tookMs) } };
    }
    case 'folder_unwatched':
      return { level: 'warn', message: note.text, fields: {} };
    default:
      return note satisfies never;
  }
}
