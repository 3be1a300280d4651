import type { Variant } from '../../../src/demo/envelopes.ts';
import { eachField, numberAtEnd } from '../tag-walk.ts';
import { serialDigits, stampDigits } from './services.ts';

/** A response as a client of the bench reads it. */
export interface MeshResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: number;
  /** Names in `removed_resources`; 0 in SotW. */
  readonly removed: number;
}

/**
 * Reads a response, and of each resource nothing but the number at its end.
 *
 * @param visit gets the number of the change that a resource holds (0 for none) and where the digits of its time end
 * @throws Error when the bytes are no response, or a resource is not one of the bench
 */
export function readMeshResponse(
  buffer: Buffer,
  variant: Variant,
  visit: (serial: number, stampEnd: number) => void,
): MeshResponse {
  let [typeUrl, nonce, version] = ['', '', ''];
  let [resources, removed] = [0, 0];
  const any = (to: number): void => {
    resources += 1;
    visit(numberAtEnd(buffer, to - stampDigits - 1, serialDigits), to);
  };
  eachField(buffer, 0, buffer.length, (number, from, to) => {
    if (number === 2 && variant === 'sotw') any(to);
    else if (number === 2) {
      eachField(buffer, from, to, (inner, _, end) => {
        if (inner === 2) any(end);
      });
    } else if (number === 1) version = buffer.toString('latin1', from, to);
    else if (number === 4) typeUrl = buffer.toString('latin1', from, to);
    else if (number === 5) nonce = buffer.toString('latin1', from, to);
    else if (number === 6 && variant === 'delta') removed += 1;
  });
  return { typeUrl, nonce, version, resources, removed };
}

/** When the change was made, in µs. @param stampEnd as {@link readMeshResponse} tells it */
export function stampAt(buffer: Buffer, stampEnd: number): number {
  return numberAtEnd(buffer, stampEnd, stampDigits);
}
