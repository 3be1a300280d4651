import type { SchemaFile } from '../../proto/schema-file.ts';

/** Sidecar. */
export const sidecar: SchemaFile = {
  package: 'istio.networking.v1alpha3',
  messages: {
    Sidecar: [
      'workload_selector 1 WorkloadSelector',
      'ingress 2 IstioIngressListener*',
      'egress 3 IstioEgressListener*',
      'inbound_connection_pool 7 ConnectionPoolSettings',
      'outbound_traffic_policy 4 OutboundTrafficPolicy',
    ],
    IstioIngressListener: [
      'port 1 SidecarPort',
      'bind 2 string',
      'capture_mode 3 CaptureMode',
      'default_endpoint 4 string',
      'tls 7 ServerTLSSettings',
      'connection_pool 8 ConnectionPoolSettings',
    ],
    IstioEgressListener: ['port 1 SidecarPort', 'bind 2 string', 'capture_mode 3 CaptureMode', 'hosts 4 string*'],
    WorkloadSelector: ['labels 1 string>string'],
    OutboundTrafficPolicy: ['mode 1 Mode', 'egress_proxy 2 Destination'],
    SidecarPort: ['number 1 uint32', 'protocol 2 string', 'name 3 string', 'target_port 4 uint32'],
  },
  enums: {
    'OutboundTrafficPolicy.Mode': ['REGISTRY_ONLY 0', 'ALLOW_ANY 1'],
    CaptureMode: ['DEFAULT 0', 'IPTABLES 1', 'NONE 2'],
  },
};
