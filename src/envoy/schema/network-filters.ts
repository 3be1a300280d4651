import type { SchemaFile } from '../../proto/schema-file.ts';

/** Filters of connections, such as TcpProxy. */
export const networkFilters: readonly SchemaFile[] = [
  {
    package: 'envoy.extensions.filters.network.connection_limit.v3',
    messages: {
      ConnectionLimit: [
        'stat_prefix 1 string',
        'max_connections 2 google.protobuf.UInt64Value',
        'delay 3 google.protobuf.Duration',
        'runtime_enabled 4 config.core.v3.RuntimeFeatureFlag',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.network.direct_response.v3',
    messages: {
      Config: ['response 1 config.core.v3.DataSource'],
    },
  },
  {
    package: 'envoy.extensions.filters.network.ext_authz.v3',
    messages: {
      ExtAuthz: [
        'stat_prefix 1 string',
        'grpc_service 2 config.core.v3.GrpcService',
        'failure_mode_allow 3 bool',
        'include_peer_certificate 4 bool',
        'transport_api_version 5 config.core.v3.ApiVersion',
        'filter_enabled_metadata 6 type.matcher.v3.MetadataMatcher',
        'bootstrap_metadata_labels_key 7 string',
        'include_tls_session 8 bool',
        'send_tls_alert_on_denial 9 bool',
        'metadata_context_namespaces 10 string*',
        'typed_metadata_context_namespaces 11 string*',
        'shadow_mode 12 bool',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.network.local_ratelimit.v3',
    messages: {
      LocalRateLimit: [
        'stat_prefix 1 string',
        'token_bucket 2 type.v3.TokenBucket',
        'runtime_enabled 3 config.core.v3.RuntimeFeatureFlag',
        'share_key 4 string',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.network.rbac.v3',
    messages: {
      RBAC: [
        'rules 1 config.rbac.v3.RBAC',
        'matcher 6 xds.type.matcher.v3.Matcher',
        'shadow_rules 2 config.rbac.v3.RBAC',
        'shadow_matcher 7 xds.type.matcher.v3.Matcher',
        'shadow_rules_stat_prefix 5 string',
        'stat_prefix 3 string',
        'enforcement_type 4 EnforcementType',
        'delay_deny 8 google.protobuf.Duration',
      ],
    },
    enums: {
      'RBAC.EnforcementType': ['ONE_TIME_ON_FIRST_BYTE 0', 'CONTINUOUS 1'],
    },
  },
  {
    package: 'envoy.extensions.filters.network.redis_proxy.v3',
    messages: {
      RedisProxy: [
        'stat_prefix 1 string',
        'settings 3 ConnPoolSettings',
        'latency_in_micros 4 bool',
        'prefix_routes 5 PrefixRoutes',
        'downstream_auth_password 6 config.core.v3.DataSource sensitive',
        'downstream_auth_passwords 9 config.core.v3.DataSource* sensitive',
        'faults 8 RedisFault*',
        'downstream_auth_username 7 config.core.v3.DataSource sensitive',
        'external_auth_provider 10 RedisExternalAuthProvider',
        'custom_commands 11 string*',
        'protocol_version 12 ProtocolVersion',
      ],
      'RedisProxy.ConnPoolSettings': [
        'op_timeout 1 google.protobuf.Duration',
        'enable_hashtagging 2 bool',
        'enable_redirection 3 bool',
        'dns_cache_config 9 common.dynamic_forward_proxy.v3.DnsCacheConfig',
        'max_buffer_size_before_flush 4 uint32',
        'buffer_flush_timeout 5 google.protobuf.Duration',
        'max_upstream_unknown_connections 6 google.protobuf.UInt32Value',
        'enable_command_stats 8 bool',
        'read_policy 7 ReadPolicy',
        'connection_rate_limit 10 ConnectionRateLimit',
      ],
      'RedisProxy.ConnectionRateLimit': ['connection_rate_limit_per_sec 1 uint32'],
      'RedisProxy.PrefixRoutes': ['routes 1 Route*', 'case_insensitive 2 bool', 'catch_all_route 4 Route'],
      'RedisProxy.PrefixRoutes.Route': [
        'prefix 1 string',
        'remove_prefix 2 bool',
        'cluster 3 string',
        'request_mirror_policy 4 RequestMirrorPolicy*',
        'key_formatter 5 string',
        'read_command_policy 6 ReadCommandPolicy',
      ],
      'RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy': [
        'cluster 1 string',
        'runtime_fraction 2 config.core.v3.RuntimeFractionalPercent',
        'exclude_read_commands 3 bool',
      ],
      'RedisProxy.PrefixRoutes.Route.ReadCommandPolicy': ['cluster 1 string'],
      'RedisProxy.RedisFault': [
        'fault_type 1 RedisFaultType',
        'fault_enabled 2 config.core.v3.RuntimeFractionalPercent',
        'delay 3 google.protobuf.Duration',
        'commands 4 string*',
      ],
      RedisExternalAuthProvider: ['grpc_service 1 config.core.v3.GrpcService', 'enable_auth_expiration 2 bool'],
      RedisProtocolOptions: [
        'auth_password 1 config.core.v3.DataSource sensitive',
        'auth_username 2 config.core.v3.DataSource sensitive',
        'aws_iam 3 AwsIam',
        'credentials 4 Credential*',
      ],
      AwsIam: [
        'credential_provider 1 common.aws.v3.AwsCredentialProvider',
        'cache_name 2 string',
        'service_name 3 string',
        'region 4 string',
        'expiration_time 5 google.protobuf.Duration',
      ],
      'RedisProtocolOptions.Credential': [
        'address 1 config.core.v3.Address',
        'auth_password 2 config.core.v3.DataSource sensitive',
        'auth_username 3 config.core.v3.DataSource sensitive',
      ],
    },
    enums: {
      'RedisProxy.ConnPoolSettings.ReadPolicy': [
        'MASTER 0',
        'PREFER_MASTER 1',
        'REPLICA 2',
        'PREFER_REPLICA 3',
        'ANY 4',
        'LOCAL_ZONE_AFFINITY 5',
        'LOCAL_ZONE_AFFINITY_REPLICAS_AND_PRIMARY 6',
      ],
      'RedisProxy.RedisFault.RedisFaultType': ['DELAY 0', 'ERROR 1'],
      'RedisProxy.ProtocolVersion': ['RESP2 0', 'RESP3 1'],
    },
  },
  {
    package: 'envoy.extensions.filters.network.set_filter_state.v3',
    messages: {
      Config: [
        'on_new_connection 1 common.set_filter_state.v3.FilterStateValue*',
        'on_downstream_tls_handshake 2 common.set_filter_state.v3.FilterStateValue*',
        'on_downstream_data 3 common.set_filter_state.v3.FilterStateValue*',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.network.sni_cluster.v3',
    messages: {
      SniCluster: [],
    },
  },
  {
    package: 'envoy.extensions.filters.network.tcp_proxy.v3',
    messages: {
      TcpProxy: [
        'stat_prefix 1 string',
        'cluster 2 string|cluster_specifier',
        'weighted_clusters 10 WeightedCluster|cluster_specifier',
        'on_demand 14 OnDemand',
        'metadata_match 9 config.core.v3.Metadata',
        'idle_timeout 8 google.protobuf.Duration',
        'downstream_idle_timeout 3 google.protobuf.Duration',
        'upstream_idle_timeout 4 google.protobuf.Duration',
        'access_log 5 config.accesslog.v3.AccessLog*',
        'max_connect_attempts 7 google.protobuf.UInt32Value',
        'backoff_options 18 config.core.v3.BackoffStrategy',
        'hash_policy 11 type.v3.HashPolicy*',
        'tunneling_config 12 TunnelingConfig',
        'max_downstream_connection_duration 13 google.protobuf.Duration',
        'max_downstream_connection_duration_jitter_percentage 20 type.v3.Percent',
        'access_log_flush_interval 15 google.protobuf.Duration',
        'flush_access_log_on_connected 16 bool',
        'access_log_options 17 TcpAccessLogOptions',
        'proxy_protocol_tlvs 19 config.core.v3.TlvEntry*',
        'proxy_protocol_tlv_merge_policy 23 ProxyProtocolTlvMergePolicy',
        'upstream_connect_mode 21 UpstreamConnectMode',
        'max_early_data_bytes 22 google.protobuf.UInt32Value',
        'check_drain_close 24 google.protobuf.BoolValue',
      ],
      'TcpProxy.WeightedCluster': ['clusters 1 ClusterWeight*'],
      'TcpProxy.WeightedCluster.ClusterWeight': [
        'name 1 string',
        'weight 2 uint32',
        'metadata_match 3 config.core.v3.Metadata',
      ],
      'TcpProxy.OnDemand': [
        'odcds_config 1 config.core.v3.ConfigSource',
        'resources_locator 2 string',
        'timeout 3 google.protobuf.Duration',
      ],
      'TcpProxy.TunnelingConfig': [
        'hostname 1 string',
        'use_post 2 bool',
        'headers_to_add 3 config.core.v3.HeaderValueOption*',
        'propagate_response_headers 4 bool',
        'post_path 5 string',
        'propagate_response_trailers 6 bool',
        'request_id_extension 7 http_connection_manager.v3.RequestIDExtension',
        'request_id_header 8 string',
        'request_id_metadata_key 9 string',
        'formatters 10 config.core.v3.TypedExtensionConfig*',
      ],
      'TcpProxy.TcpAccessLogOptions': [
        'access_log_flush_interval 1 google.protobuf.Duration',
        'flush_access_log_on_connected 2 bool',
        'flush_access_log_on_start 3 bool',
      ],
    },
    enums: {
      ProxyProtocolTlvMergePolicy: [
        'ADD_IF_ABSENT 0',
        'OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD 1',
        'APPEND_IF_EXISTS_OR_ADD 2',
      ],
      UpstreamConnectMode: ['IMMEDIATE 0', 'ON_DOWNSTREAM_DATA 1', 'ON_DOWNSTREAM_TLS_HANDSHAKE 2'],
    },
  },
  {
    package: 'envoy.extensions.filters.network.wasm.v3',
    messages: {
      Wasm: ['config 1 wasm.v3.PluginConfig'],
    },
  },
];
