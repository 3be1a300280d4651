import { fieldsOf, message, nested, text, textOf, texts, textsOf, uint } from '../../src/demo/proto.ts';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';

/** Types of the simulated mesh, in make-before-break order. */
export const simTypes: readonly TypeUrl[] = [clusterType, endpointType, listenerType, routeType];

/** A simulated resource: a serial that is unique in a run, what it refers to, and whether clients reject it. */
export interface SimResource {
  readonly serial: number;
  readonly refs: readonly string[];
  readonly isPoison: boolean;
}

const serialField = 60;
const refsField = 61;
const poisonField = 62;

export function encodeSim(typeUrl: TypeUrl, name: string, resource: SimResource): Buffer {
  return message(
    text(1, name),
    // A cluster that takes its endpoints by EDS, so that the agent sees what it refers to.
    ...(typeUrl === clusterType ? [uint(2, 3), nested(3, text(2, resource.refs[0] ?? ''))] : []),
    uint(serialField, resource.serial),
    texts(refsField, resource.refs),
    uint(poisonField, resource.isPoison ? 1 : 0),
  );
}

export function decodeSim(body: Buffer): SimResource & { readonly name: string } {
  const fields = fieldsOf(body);
  const number = (field: number): number => Number(fields.find(one => one.number === field)?.value ?? 0);
  return {
    name: textOf(fields, 1),
    serial: number(serialField),
    refs: textsOf(fields, refsField),
    isPoison: number(poisonField) === 1,
  };
}
