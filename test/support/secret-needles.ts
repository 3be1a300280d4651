import { createPrivateKey } from 'node:crypto';

/** A piece of a secret in one of the forms in which it could be printed. */
interface Needle {
  readonly what: string;
  readonly bytes: Buffer;
}

/** Long enough not to be met by chance, and short enough to be found in a text that was cut. */
const pieceLength = 20;

/** Everything that must not be printed, and what is printed of it. */
export class SecretNeedles {
  readonly #needles: Needle[] = [];

  /** A text none of which may be printed, such as a token. It has to be random from its first character. */
  addText(name: string, secret: string): void {
    for (let at = 0; at + pieceLength <= secret.length; at += pieceLength) {
      const piece = secret.slice(at, at + pieceLength);
      this.#add(`${name} as it is, from character ${at}`, Buffer.from(piece));
      this.addBytes(`${name}, from character ${at}`, Buffer.from(piece));
    }
  }

  /** A private key (PEM), whether as PEM or as its secret number. Its header and its public half are no secrets. */
  addKey(name: string, pem: string): void {
    const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' });
    const number = Buffer.from(d, 'base64url');
    if (number.length === 0) throw new Error(`${name} is no private key`);
    this.addBytes(`number of ${name}`, number);
    const lines = pem.trim().split('\n').slice(1, -1);
    const body = lines.join('');
    const der = Buffer.from(body, 'base64');
    const [from, to] = [der.indexOf(number), der.indexOf(number) + number.length];
    for (let at = Math.ceil(from / 3) * 4; at + pieceLength <= Math.floor(to / 3) * 4; at += pieceLength) {
      // As it stands in the file, with the line ends where they are.
      const inFile = [...body.slice(at, at + pieceLength)]
        .map((letter, index) => ((at + index) % 64 === 0 && index > 0 ? `\n${letter}` : letter))
        .join('');
      for (const piece of new Set([inFile, body.slice(at, at + pieceLength)])) {
        this.addForms(`PEM of ${name}`, Buffer.from(piece));
        this.#add(`PEM of ${name} in JSON`, Buffer.from(piece.replaceAll('\n', '\\n')));
      }
    }
  }

  /** Bytes, or a part of them, raw or encoded. */
  addBytes(name: string, secret: Buffer): void {
    this.addForms(name, secret);
    const numbers = [...secret.subarray(0, 8)];
    for (const gap of [',', ', ']) this.#add(`${name} as numbers`, Buffer.from(numbers.join(gap)));
  }

  /** The bytes themselves, in hex, and as a part of something in base64, at each of its alignments. */
  addForms(name: string, secret: Buffer): void {
    this.#add(name, secret);
    const hex = secret.subarray(0, pieceLength).toString('hex');
    this.#add(`hex of ${name}`, Buffer.from(hex));
    this.#add(`hex of ${name}`, Buffer.from(hex.toUpperCase()));
    for (const shift of [0, 1, 2]) {
      const encoded = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64');
      // The characters at either end also hold bits of what stands beside it.
      const inner = encoded.slice(shift === 0 ? 0 : shift + 1, -4);
      this.#add(`base64 of ${name}`, Buffer.from(inner));
      this.#add(`base64url of ${name}`, Buffer.from(inner.replaceAll('+', '-').replaceAll('/', '_')));
    }
  }

  /** What of it an output holds; empty if nothing. */
  foundIn(output: Buffer): string[] {
    for (const { what, bytes } of this.#needles) {
      const at = output.indexOf(bytes);
      // The first one says enough.
      if (at >= 0) return [`${what}: …${output.toString('utf8', Math.max(0, at - 200), at)}⟨here⟩`];
    }
    return [];
  }

  #add(what: string, bytes: Buffer): void {
    if (bytes.length < 8) throw new Error(`too short to be looked for: ${what}`);
    this.#needles.push({ what, bytes });
  }
}
