import type { TlsNote } from '../net/tls-files.ts';
import type { LogLine } from './notes.ts';

/** What happens to TLS files, as a log line. */
export function describeTls(note: TlsNote): LogLine {
  const { cert } = note;
  if (note.kind === 'tls_reloaded') {
    const fields = { cert, notAfter: new Date(note.notAfterMs).toISOString() };
    return { level: 'info', message: 'certificate read anew', fields };
  }
  const message = `a changed certificate cannot be used, the one before stays in use: ${note.error}`;
  return { level: 'error', message, fields: { cert } };
}
