import type { SchemaFile } from '../../proto/schema-file.ts';

/** Filters of new connections and of UDP. */
export const listenerFilters: readonly SchemaFile[] = [
  {
    package: 'envoy.extensions.filters.listener.http_inspector.v3',
    messages: {
      HttpInspector: [],
    },
  },
  {
    package: 'envoy.extensions.filters.listener.original_dst.v3',
    messages: {
      OriginalDst: [],
    },
  },
  {
    package: 'envoy.extensions.filters.listener.original_src.v3',
    messages: {
      OriginalSrc: ['bind_port 1 bool', 'mark 2 uint32'],
    },
  },
  {
    package: 'envoy.extensions.filters.listener.proxy_protocol.v3',
    messages: {
      ProxyProtocol: [
        'rules 1 Rule*',
        'allow_requests_without_proxy_protocol 2 bool',
        'pass_through_tlvs 3 config.core.v3.ProxyProtocolPassThroughTLVs',
        'disallowed_versions 4 config.core.v3.ProxyProtocolConfig.Version*',
        'stat_prefix 5 string',
        'tlv_location 6 TlvLocation',
      ],
      'ProxyProtocol.Rule': ['tlv_type 1 uint32', 'on_tlv_present 2 KeyValuePair'],
      'ProxyProtocol.KeyValuePair': [
        'metadata_namespace 1 string',
        'key 2 string',
        'value_string_encoding 3 ValueStringEncoding',
      ],
    },
    enums: {
      'ProxyProtocol.KeyValuePair.ValueStringEncoding': ['UNSPECIFIED 0', 'SANITIZED_UTF8 1', 'BASE64 2'],
      'ProxyProtocol.TlvLocation': ['DYNAMIC_METADATA 0', 'FILTER_STATE 1'],
    },
  },
  {
    package: 'envoy.extensions.filters.listener.tls_inspector.v3',
    messages: {
      TlsInspector: [
        'enable_ja3_fingerprinting 1 google.protobuf.BoolValue',
        'enable_ja4_fingerprinting 3 google.protobuf.BoolValue',
        'initial_read_buffer_size 2 google.protobuf.UInt32Value',
        'close_connection_on_client_hello_parsing_errors 4 bool',
        'max_client_hello_size 5 google.protobuf.UInt32Value',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.udp.udp_proxy.v3',
    messages: {
      Route: ['cluster 1 string'],
      UdpProxyConfig: [
        'stat_prefix 1 string',
        'cluster 2 string|route_specifier',
        'matcher 9 xds.type.matcher.v3.Matcher|route_specifier',
        'idle_timeout 3 google.protobuf.Duration',
        'use_original_src_ip 4 bool',
        'hash_policies 5 HashPolicy*',
        'upstream_socket_config 6 config.core.v3.UdpSocketConfig',
        'use_per_packet_load_balancing 7 bool',
        'access_log 8 config.accesslog.v3.AccessLog*',
        'proxy_access_log 10 config.accesslog.v3.AccessLog*',
        'session_filters 11 SessionFilter*',
        'tunneling_config 12 UdpTunnelingConfig',
        'access_log_options 13 UdpAccessLogOptions',
      ],
      'UdpProxyConfig.HashPolicy': ['source_ip 1 bool|policy_specifier', 'key 2 string|policy_specifier'],
      'UdpProxyConfig.SessionFilter': [
        'name 1 string',
        'typed_config 2 google.protobuf.Any|config_type',
        'config_discovery 3 config.core.v3.ExtensionConfigSource|config_type',
      ],
      'UdpProxyConfig.UdpTunnelingConfig': [
        'proxy_host 1 string',
        'proxy_port 2 google.protobuf.UInt32Value',
        'target_host 3 string',
        'default_target_port 4 uint32',
        'use_post 5 bool',
        'post_path 6 string',
        'retry_options 7 RetryOptions',
        'headers_to_add 8 config.core.v3.HeaderValueOption*',
        'buffer_options 9 BufferOptions',
        'propagate_response_headers 10 bool',
        'propagate_response_trailers 11 bool',
        'formatters 12 config.core.v3.TypedExtensionConfig*',
      ],
      'UdpProxyConfig.UdpTunnelingConfig.RetryOptions': [
        'max_connect_attempts 1 google.protobuf.UInt32Value',
        'backoff_options 2 config.core.v3.BackoffStrategy',
      ],
      'UdpProxyConfig.UdpTunnelingConfig.BufferOptions': [
        'max_buffered_datagrams 1 google.protobuf.UInt32Value',
        'max_buffered_bytes 2 google.protobuf.UInt64Value',
      ],
      'UdpProxyConfig.UdpAccessLogOptions': [
        'access_log_flush_interval 1 google.protobuf.Duration',
        'flush_access_log_on_tunnel_connected 2 bool',
      ],
    },
  },
];
