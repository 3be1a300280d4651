/** What happens to secrets and private keys on their way to the disk (R104). */
export type SecretsMode = 'memory' | 'encrypted' | 'plain';
