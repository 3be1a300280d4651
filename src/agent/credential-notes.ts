import type { CredentialNote, CredentialSettings } from '../upstream/credentials.ts';
import type { LogLine } from './notes.ts';
import type { Settings } from './settings.ts';

/** The settings of credentials, in the words of whoever uses them. */
export function credentialSettings(settings: Settings): CredentialSettings {
  const { upstreamTlsCa: ca, upstreamTlsCert: cert, upstreamTlsKey: key, upstreamTlsMinVersion: minVersion } = settings;
  return {
    tls: ca === undefined ? undefined : { ca, cert, key, minVersion },
    serverName: settings.upstreamTlsServerName,
    sans: settings.upstreamTlsSan,
    tokenFile: settings.upstreamTokenFile,
    headers: settings.upstreamHeaders,
  };
}

/** What happens to the credentials for the control plane, as a log line. */
export function describeCredential(note: CredentialNote): LogLine {
  const { what } = note;
  switch (note.kind) {
    case 'renewed': {
      const { path, notAfterMs } = note;
      return {
        level: 'info',
        message: `${what} for the control plane read anew`,
        fields: { path, ...ending(notAfterMs) },
      };
    }
    case 'unusable': {
      const message = `the ${what} for the control plane cannot be used as it is now: ${note.error}`;
      return { level: 'error', message, fields: {} };
    }
    case 'expiry': {
      const { stage, notAfterMs } = note;
      const fields = ending(notAfterMs);
      if (stage === 'good')
        return { level: 'info', message: `the ${what} for the control plane is good again`, fields };
      if (stage === 'ended') {
        const message = `the ${what} for the control plane has expired, and nobody has renewed it; what is held is served on`;
        return { level: 'error', message, fields };
      }
      const message = `the ${what} for the control plane expires soon, and nobody has renewed it`;
      return { level: 'warn', message, fields };
    }
  }
}

function ending(notAfterMs: number | undefined): { readonly notAfter?: string } {
  return notAfterMs === undefined ? {} : { notAfter: new Date(notAfterMs).toISOString() };
}
