/** What is read of a peer's certificate, in the words of node:tls. */
export interface CertificateNames {
  readonly subject?: { readonly CN?: string | readonly string[] | undefined } | undefined;
  /** Such as `URI:spiffe://…, DNS:a`; values with special characters are JSON strings. */
  readonly subjectaltname?: string | undefined;
}

/** How the kinds of alternative names are called in rules. A URI stands for itself. */
const prefixes: Readonly<Record<string, string>> = { DNS: 'dns:', 'IP Address': 'ip:', email: 'email:' };
const namesMax = 64;

/**
 * The names that a certificate proves, as allow lists call them: `spiffe://…` and other URIs as they are, `dns:…`, `ip:…`, `email:…`, and `cn:…`
 * for the subject. Names of other kinds are left out.
 */
export function namesOfCertificate({ subject, subjectaltname = '' }: CertificateNames): readonly string[] {
  const names: string[] = [];
  // A value may quote a comma and what looks like another name; it must not be taken for one.
  for (const [, kind = '', value = ''] of subjectaltname.matchAll(
    /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/g,
  )) {
    const text = plain(value);
    const prefix = prefixes[kind];
    // What has no scheme of its own could look like a name of another kind.
    if (kind === 'URI' && text !== undefined && /^[a-z][a-z0-9+.-]*:\/\//i.test(text)) names.push(text);
    else if (prefix !== undefined && text !== undefined) names.push(prefix + text);
    if (names.length >= namesMax) return names;
  }
  const commonNames = subject?.CN === undefined ? [] : [subject.CN].flat();
  for (const name of commonNames) names.push(`cn:${name}`);
  return names;
}

function plain(value: string): string | undefined {
  if (!value.startsWith('"')) return value;
  try {
    const text: unknown = JSON.parse(value);
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
