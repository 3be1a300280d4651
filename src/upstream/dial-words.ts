/** What is known of our side of a dial that failed. */
export interface DialSide {
  /** Whether TLS was spoken. */
  readonly isTls: boolean;
  /** Our certificate as people name it; undefined without one. */
  readonly certificate: string | undefined;
}

/** A failed dial in words for people. */
export interface DialWords {
  readonly words: string;
  /** What the server has shown is the reason, and worth to be told. */
  readonly isOverServer: boolean;
}

/** OpenSSL's line, of which one part is for people: `ID:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:DATA`. */
const opensslLine = /[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):[^:]*:\d+:[^\n]*\n?/g;
/** What grpc-js and Node.js put around the cause, and whoever runs Weir can do nothing with. */
const wrappings: readonly RegExp[] = [
  /^No connection established\. Last error: /,
  /^Error: /,
  / \(\d{4}-\d\d-\d\dT[^)]*\)/,
  /; if the root CA is installed locally, try running Node\.js with --use-system-ca/,
  /\.? Resolution note: $/,
];
/** Alerts by which a server says that it does not take the client (RFC 8446 section 6.2). */
const refusals =
  /alert (?:bad certificate|no certificate|unsupported certificate|certificate (?:revoked|expired|unknown|required)|unknown ca|access denied)/;
const serverTrouble = /certificate|CERT_|altname|self.signed/i;

/** Takes out of a dial's error what a person can do something with, and says what that is where the error itself does not. */
export function dialWords(message: string, { isTls, certificate }: DialSide): DialWords {
  let words = message.replace(opensslLine, '$1');
  for (const wrapping of wrappings) words = words.replace(wrapping, '');
  const over = (text: string): DialWords => ({ words: text, isOverServer: false });
  const isMute = /^(?:Failed to connect|.*socket hang up|.*ECONNRESET)/.test(words);
  if (!isTls) {
    return over(isMute ? `${words} (does it want TLS? setting upstreamTlsCa)` : words);
  }
  if (isMute) {
    const shown = certificate === undefined ? '' : `, ${certificate}`;
    return over(`${words} (does it take our certificate${shown}? settings upstreamTlsCert, upstreamTlsKey)`);
  }
  if (refusals.test(words)) {
    if (certificate === undefined) {
      return over(`the control plane wants a certificate of ours: ${words} (settings upstreamTlsCert, upstreamTlsKey)`);
    }
    return over(`the control plane refuses our certificate: ${words} (${certificate}; setting upstreamTlsCert)`);
  }
  if (/alert protocol version|unsupported protocol/.test(words)) {
    return over(`there is no TLS version that both sides speak: ${words} (setting upstreamTlsMinVersion)`);
  }
  if (/wrong version number|packet length too long|http request/.test(words)) {
    return over(`it does not speak TLS there: ${words} (setting upstreamTlsCa)`);
  }
  return { words, isOverServer: serverTrouble.test(words) };
}
