import type { StoredView } from '../cache/stored.ts';
import type { Peer } from '../local-ads/peer.ts';
import {
  differingFields,
  isMeshClient,
  type MatchField,
  matchKeyOf,
  type NodeIdentity,
  nodeForUpstream,
  projectionKeyOf,
  readNode,
  separateViewKeyOf,
  viewKeyOf,
} from '../xds/node.ts';
import { grpcCode, type RpcStatus, type ViewKey } from '../xds/types.ts';
import { type ConfiguredNode, encodeNode } from '../xds/wire-request.ts';
import type { AllowList } from './allow-list.ts';
import { AgentError, exitCodes } from './errors.ts';

/** Who may share what. */
export interface IdentitySettings {
  readonly nodeSharing: 'refuse' | 'shared' | 'stream-per-node';
  /** Under `shared`: clients that are equal in these parts of the Node share a view; undefined for one view of all. */
  readonly shareBy: readonly MatchField[] | undefined;
  /** Identity for the control plane; without it the first client's is adopted. */
  readonly node: ConfiguredNode | undefined;
  readonly dropExtensions: boolean;
  /** Parts of the Node by which stored configuration is found again (R69). */
  readonly cacheMatch: readonly MatchField[];
  readonly allowList: AllowList;
}

/** Where a client belongs. */
export interface Admission {
  readonly viewKey: ViewKey;
  readonly identity: NodeIdentity;
  /** Encoded Node for the view's upstream streams, if the view has to be made. */
  readonly node: Buffer;
  /** By what it is found again when nodes share it by some parts only; undefined for a view of one node. */
  readonly group: string | undefined;
}

const sharedView = 'shared' as ViewKey;

/**
 * Decides which view a client may see (R65–R67): never another node's data without somebody's explicit choice.
 */
export class IdentityPolicy {
  readonly #settings: IdentitySettings;
  readonly #configured: { readonly identity: NodeIdentity; readonly bytes: Buffer } | undefined;

  /** @throws AgentError when the configured node is none that could be sent */
  constructor(settings: IdentitySettings) {
    this.#settings = settings;
    if (!settings.node) return;
    const bytes = encodeNode(settings.node);
    const identity = readNode(bytes);
    if ('error' in identity) {
      const { usage } = exitCodes;
      throw new AgentError(`the configured node cannot be used: ${identity.error} (setting node)`, { exitCode: usage });
    }
    this.#configured = { identity, bytes };
  }

  get configured(): NodeIdentity | undefined {
    return this.#configured?.identity;
  }

  /** Whether there may be several views at once, each of them with a life of its own. */
  get isSeparating(): boolean {
    return this.#settings.nodeSharing === 'stream-per-node' || this.#settings.shareBy !== undefined;
  }

  /** The key of the one view of all clients under `shared`. */
  get sharedKey(): ViewKey {
    return this.#configured ? viewKeyOf(this.#configured.identity) : sharedView;
  }

  /**
   * @param node encoded Node of a stream's first request
   * @param peer where it comes from
   * @param attached identity of the clients attached now; undefined when there are none: an adopted identity is a hint, never a lock
   * @returns the view, or the status to refuse the client with
   */
  admit(node: Buffer | undefined, peer: Peer, attached: NodeIdentity | undefined): Admission | RpcStatus {
    if (!node) return invalid('the first request of a stream carries no node (R1)');
    const identity = readNode(node);
    if ('error' in identity) return invalid(`the node of the first request cannot be read: ${identity.error}`);
    if (identity.id === '') return invalid('the node of the first request has no id');
    const forbidden = this.#settings.allowList.refusal(peer, identity.id);
    if (forbidden) return forbidden;
    const { nodeSharing } = this.#settings;
    const upstreamNode = this.#upstreamNode(node);
    if (nodeSharing === 'shared') {
      const viewKey = this.#sharedKeyOf(identity);
      return { viewKey, identity, node: upstreamNode, group: this.#settings.shareBy && viewKey };
    }
    if (nodeSharing === 'stream-per-node')
      return { viewKey: separateViewKeyOf(identity), identity, node: upstreamNode, group: undefined };
    const fields = [
      ...(this.#configured ? this.#differsFromConfigured(identity) : []),
      ...(attached ? differingFields(attached, identity) : []),
    ];
    if (fields.length > 0) {
      return {
        code: grpcCode.permissionDenied,
        message:
          `this agent serves one node (node-sharing refuse) and this client's differs in ${fields.join(', ')}; ` +
          'set --node-sharing stream-per-node to serve several nodes apart, or --node-sharing shared if all may see the same configuration',
      };
    }
    const viewKey = viewKeyOf(this.#configured?.identity ?? identity);
    return { viewKey, identity, node: upstreamNode, group: undefined };
  }

  /**
   * Whether a node may start with what was stored (R67, R69). Where nodes are kept apart, that is its own, from before a change that its id
   * survived at the most; a seed says itself whom it is for.
   *
   * @param isOwnerHere clients of the node that it was stored for are connected: then this is another one, unless it has the very same id, or what
   *   it is given does not depend on its pod, as in a rolling update of istiod
   */
  mayTakeOver(viewKey: ViewKey, identity: NodeIdentity, stored: StoredView, isOwnerHere: boolean): boolean {
    if (this.#settings.nodeSharing !== 'stream-per-node') return true;
    if (stored.viewKey === viewKey || stored.provenance === 'seed') return true;
    const owner = readNode(stored.node);
    if ('error' in owner || (isOwnerHere && owner.id !== identity.id && !isMeshClient(identity))) return false;
    return matchKeyOf(owner, ['id', 'cluster']) === matchKeyOf(identity, ['id', 'cluster']);
  }

  #sharedKeyOf(identity: NodeIdentity): ViewKey {
    const { shareBy } = this.#settings;
    return shareBy ? (`${sharedView}-${projectionKeyOf(identity, shareBy)}` as ViewKey) : this.sharedKey;
  }

  #upstreamNode(node: Buffer): Buffer {
    return this.#configured?.bytes ?? nodeForUpstream(node, this.#settings.dropExtensions);
  }

  /** Only what was configured is compared: an Envoy brings metadata that nobody writes into an agent's configuration. */
  #differsFromConfigured(identity: NodeIdentity): string[] {
    const held = this.#configured?.identity;
    if (!held) return [];
    return differingFields(held, {
      ...identity,
      cluster: held.cluster === '' ? '' : identity.cluster,
      locality: held.locality === '//' ? '//' : identity.locality,
      metadata: new Map([...held.metadata.keys()].map(key => [key, identity.metadata.get(key) ?? ''])),
      dynamicParameters: '',
    });
  }
}

function invalid(message: string): RpcStatus {
  return { code: grpcCode.invalidArgument, message };
}
