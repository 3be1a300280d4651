import type { IstioKind } from '../istio/kinds.ts';
import type { MeshResource } from '../istio/mesh-resource.ts';

/** What a reader of mesh configuration tells the server, in the order in which it happened. */
export type SourceEvent =
  /** The complete state of a kind. */
  | { readonly kind: 'whole'; readonly of: IstioKind; readonly resources: readonly MeshResource[] }
  | {
      readonly kind: 'changed';
      readonly of: IstioKind;
      readonly resources: readonly MeshResource[];
      /** Names of what is gone. */
      readonly removed: readonly string[];
    }
  /** Encoded `Any` of a bare `istio.mesh.v1alpha1.MeshConfig`; undefined when there is none. */
  | { readonly kind: 'mesh_config'; readonly any: Buffer | undefined }
  /** Something cannot be read; what was read before goes on. `of` is undefined where it concerns no single kind. */
  | { readonly kind: 'trouble'; readonly of: IstioKind | undefined; readonly text: string }
  /** It can be read again. */
  | { readonly kind: 'recovered'; readonly of: IstioKind | undefined };

/** A reader at work. */
export interface SourceReader {
  close(): Promise<void>;
}
