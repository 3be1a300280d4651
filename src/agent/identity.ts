import {
  differingFields,
  type MatchField,
  type NodeIdentity,
  nodeForUpstream,
  readNode,
  viewKeyOf,
} from '../xds/node.ts';
import { grpcCode, type RpcStatus, type ViewKey } from '../xds/types.ts';
import { type ConfiguredNode, encodeNode } from '../xds/wire-request.ts';
import { AgentError, exitCodes } from './errors.ts';

/** Who may share what. */
export interface IdentitySettings {
  readonly nodeSharing: 'refuse' | 'shared';
  /** Identity for the control plane; without it the first client's is adopted. */
  readonly node: ConfiguredNode | undefined;
  readonly dropExtensions: boolean;
  /** Parts of the Node by which stored configuration is found again (R69). */
  readonly cacheMatch: readonly MatchField[];
}

/** Where a client belongs. */
export interface Admission {
  readonly viewKey: ViewKey;
  readonly identity: NodeIdentity;
  /** Encoded Node for the view's upstream streams, if the view has to be made. */
  readonly node: Buffer;
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

  /** The key of the one view of all clients under `shared`. */
  get sharedKey(): ViewKey {
    return this.#configured ? viewKeyOf(this.#configured.identity) : sharedView;
  }

  /**
   * @param node encoded Node of a stream's first request
   * @param attached identity of the clients attached now; undefined when there are none: an adopted identity is a hint, never a lock
   * @returns the view, or the status to refuse the client with
   */
  admit(node: Buffer | undefined, attached: NodeIdentity | undefined): Admission | RpcStatus {
    if (!node) return invalid('the first request of a stream carries no node (R1)');
    const identity = readNode(node);
    if ('error' in identity) return invalid(`the node of the first request cannot be read: ${identity.error}`);
    if (identity.id === '') return invalid('the node of the first request has no id');
    if (this.#settings.nodeSharing === 'shared') {
      return {
        viewKey: this.sharedKey,
        identity,
        node: this.#upstreamNode(node),
      };
    }
    const fields = [
      ...(this.#configured ? this.#differsFromConfigured(identity) : []),
      ...(attached ? differingFields(attached, identity) : []),
    ];
    if (fields.length > 0) {
      return {
        code: grpcCode.permissionDenied,
        message:
          `this agent serves one node (node-sharing refuse) and this client's differs in ${fields.join(', ')}; ` +
          'give each node an agent of its own, or set --node-sharing shared if all clients may see the same configuration',
      };
    }
    const viewKey = viewKeyOf(this.#configured?.identity ?? identity);
    return { viewKey, identity, node: this.#upstreamNode(node) };
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
