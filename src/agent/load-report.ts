import { bytesField, TagWalk, WireError } from '../xds/tag-walk.ts';

/** A `LoadStatsRequest`, its node apart from the rest. */
export interface LoadReport {
  /** Encoded Node; undefined when the report carries none. */
  readonly node: Buffer | undefined;
  /** The report without it. */
  readonly rest: Buffer;
}

/** Reads a client's load report. Several nodes in one would be merged by the control plane into one that nobody has looked at. */
export function readLoadReport(bytes: Buffer): LoadReport | { readonly error: string } {
  const rest: Buffer[] = [];
  let node: Buffer | undefined;
  try {
    const walk = new TagWalk(bytes);
    let fieldStart = 0;
    while (walk.next()) {
      if (walk.field !== 1) rest.push(bytes.subarray(fieldStart, walk.end));
      else if (node || walk.wireType !== 2) return { error: 'the load report carries more than one node' };
      else node = walk.slice();
      fieldStart = walk.end;
    }
  } catch (error) {
    if (error instanceof WireError) return { error: `the load report cannot be decoded: ${error.message}` };
    throw error;
  }
  return { node, rest: node ? Buffer.concat(rest) : bytes };
}

/** The report with which a stream to the control plane begins: as the node that was let in. */
export function encodeLoadReport(node: Buffer, rest: Buffer): Buffer {
  return Buffer.concat([bytesField(0x0a, node), rest]);
}
