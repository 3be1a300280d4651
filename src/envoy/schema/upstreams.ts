import type { SchemaFile } from '../../proto/schema-file.ts';

/** Load balancing policies, protocol options of clusters, types of clusters, resolvers of DNS. */
export const upstreams: readonly SchemaFile[] = [
  {
    package: 'envoy.extensions.clusters.aggregate.v3',
    messages: {
      ClusterConfig: ['clusters 1 string*'],
      AggregateClusterResource: ['config_source 1 config.core.v3.ConfigSource', 'resource_name 2 string'],
    },
  },
  {
    package: 'envoy.extensions.clusters.common.dns.v3',
    messages: {},
    enums: {
      DnsLookupFamily: ['UNSPECIFIED 0', 'AUTO 1', 'V4_ONLY 2', 'V6_ONLY 3', 'V4_PREFERRED 4', 'ALL 5'],
    },
  },
  {
    package: 'envoy.extensions.clusters.dns.v3',
    messages: {
      DnsCluster: [
        'dns_refresh_rate 3 google.protobuf.Duration',
        'dns_failure_refresh_rate 4 RefreshRate',
        'respect_dns_ttl 5 bool',
        'dns_jitter 6 google.protobuf.Duration',
        'typed_dns_resolver_config 7 config.core.v3.TypedExtensionConfig',
        'dns_lookup_family 8 common.dns.v3.DnsLookupFamily',
        'all_addresses_in_single_endpoint 9 bool',
        'dns_min_refresh_rate 10 google.protobuf.Duration',
      ],
      'DnsCluster.RefreshRate': ['base_interval 1 google.protobuf.Duration', 'max_interval 2 google.protobuf.Duration'],
    },
  },
  {
    package: 'envoy.extensions.clusters.dynamic_forward_proxy.v3',
    messages: {
      ClusterConfig: [
        'dns_cache_config 1 common.dynamic_forward_proxy.v3.DnsCacheConfig|cluster_implementation_specifier',
        'sub_clusters_config 4 SubClustersConfig|cluster_implementation_specifier',
        'allow_insecure_cluster_options 2 bool',
        'allow_coalesced_connections 3 bool',
      ],
      SubClustersConfig: [
        'lb_policy 1 config.cluster.v3.Cluster.LbPolicy',
        'max_sub_clusters 2 google.protobuf.UInt32Value',
        'sub_cluster_ttl 3 google.protobuf.Duration',
        'preresolve_clusters 4 config.core.v3.SocketAddress*',
        'dns_cluster_config 5 dns.v3.DnsCluster',
      ],
    },
  },
  {
    package: 'envoy.extensions.health_checkers.redis.v3',
    messages: {
      Redis: ['key 1 string', 'aws_iam 2 filters.network.redis_proxy.v3.AwsIam'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3',
    messages: {
      ClientSideWeightedRoundRobin: [
        'enable_oob_load_report 1 google.protobuf.BoolValue',
        'oob_reporting_period 2 google.protobuf.Duration',
        'blackout_period 3 google.protobuf.Duration',
        'weight_expiration_period 4 google.protobuf.Duration',
        'weight_update_period 5 google.protobuf.Duration',
        'error_utilization_penalty 6 google.protobuf.FloatValue',
        'metric_names_for_computing_utilization 7 string*',
        'slow_start_config 8 common.v3.SlowStartConfig',
        'oob_reporting_config 9 common.v3.OrcaOobReportingConfig',
      ],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.cluster_provided.v3',
    messages: {
      ClusterProvided: [],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.common.v3',
    messages: {
      SlowStartConfig: [
        'slow_start_window 1 google.protobuf.Duration',
        'aggression 2 config.core.v3.RuntimeDouble',
        'min_weight_percent 3 type.v3.Percent',
      ],
      LocalityLbConfig: [
        'zone_aware_lb_config 1 ZoneAwareLbConfig|locality_config_specifier',
        'locality_weighted_lb_config 2 LocalityWeightedLbConfig|locality_config_specifier',
      ],
      'LocalityLbConfig.ZoneAwareLbConfig': [
        'routing_enabled 1 type.v3.Percent',
        'min_cluster_size 2 google.protobuf.UInt64Value',
        'fail_traffic_on_panic 3 bool',
        'force_locality_direct_routing 4 bool',
        'force_local_zone 5 ForceLocalZone',
        'locality_basis 6 LocalityBasis',
      ],
      'LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone': ['min_size 1 google.protobuf.UInt32Value'],
      'LocalityLbConfig.LocalityWeightedLbConfig': [],
      ConsistentHashingLbConfig: [
        'use_hostname_for_hashing 1 bool',
        'hash_balance_factor 2 google.protobuf.UInt32Value',
        'hash_policy 3 config.route.v3.RouteAction.HashPolicy*',
      ],
      OrcaOobReportingConfig: [
        'port_value 1 uint32',
        'authority 2 string',
        'transport_socket_match_criteria 3 google.protobuf.Struct',
      ],
    },
    enums: {
      'LocalityLbConfig.ZoneAwareLbConfig.LocalityBasis': ['HEALTHY_HOSTS_NUM 0', 'HEALTHY_HOSTS_WEIGHT 1'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.least_request.v3',
    messages: {
      LeastRequest: [
        'choice_count 1 google.protobuf.UInt32Value',
        'active_request_bias 2 config.core.v3.RuntimeDouble',
        'slow_start_config 3 common.v3.SlowStartConfig',
        'locality_lb_config 4 common.v3.LocalityLbConfig',
        'enable_full_scan 5 google.protobuf.BoolValue',
        'selection_method 6 SelectionMethod',
      ],
    },
    enums: {
      'LeastRequest.SelectionMethod': ['N_CHOICES 0', 'FULL_SCAN 1'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.maglev.v3',
    messages: {
      Maglev: [
        'table_size 1 google.protobuf.UInt64Value',
        'consistent_hashing_lb_config 2 common.v3.ConsistentHashingLbConfig',
        'locality_weighted_lb_config 3 common.v3.LocalityLbConfig.LocalityWeightedLbConfig',
      ],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.override_host.v3',
    messages: {
      OverrideHost: [
        'override_host_sources 1 OverrideHostSource*',
        'selected_host_key 2 type.metadata.v3.MetadataKey',
        'fallback_policy 3 config.cluster.v3.LoadBalancingPolicy',
      ],
      'OverrideHost.OverrideHostSource': ['header 1 string', 'metadata 2 type.metadata.v3.MetadataKey'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.pick_first.v3',
    messages: {
      PickFirst: ['shuffle_address_list 1 bool'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.random.v3',
    messages: {
      Random: ['locality_lb_config 1 common.v3.LocalityLbConfig'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.ring_hash.v3',
    messages: {
      RingHash: [
        'hash_function 1 HashFunction',
        'minimum_ring_size 2 google.protobuf.UInt64Value',
        'maximum_ring_size 3 google.protobuf.UInt64Value',
        'use_hostname_for_hashing 4 bool',
        'hash_balance_factor 5 google.protobuf.UInt32Value',
        'consistent_hashing_lb_config 6 common.v3.ConsistentHashingLbConfig',
        'locality_weighted_lb_config 7 common.v3.LocalityLbConfig.LocalityWeightedLbConfig',
      ],
    },
    enums: {
      'RingHash.HashFunction': ['DEFAULT_HASH 0', 'XX_HASH 1', 'MURMUR_HASH_2 2'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.round_robin.v3',
    messages: {
      RoundRobin: ['slow_start_config 1 common.v3.SlowStartConfig', 'locality_lb_config 2 common.v3.LocalityLbConfig'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.subset.v3',
    messages: {
      Subset: [
        'fallback_policy 1 LbSubsetFallbackPolicy',
        'default_subset 2 google.protobuf.Struct',
        'subset_selectors 3 LbSubsetSelector*',
        'allow_redundant_keys 10 bool',
        'locality_weight_aware 4 bool',
        'scale_locality_weight 5 bool',
        'panic_mode_any 6 bool',
        'list_as_any 7 bool',
        'metadata_fallback_policy 8 LbSubsetMetadataFallbackPolicy',
        'subset_lb_policy 9 config.cluster.v3.LoadBalancingPolicy',
      ],
      'Subset.LbSubsetSelector': [
        'keys 1 string*',
        'single_host_per_subset 4 bool',
        'fallback_policy 2 LbSubsetSelectorFallbackPolicy',
        'fallback_keys_subset 3 string*',
      ],
    },
    enums: {
      'Subset.LbSubsetFallbackPolicy': ['NO_FALLBACK 0', 'ANY_ENDPOINT 1', 'DEFAULT_SUBSET 2'],
      'Subset.LbSubsetSelector.LbSubsetSelectorFallbackPolicy': [
        'NOT_DEFINED 0',
        'NO_FALLBACK 1',
        'ANY_ENDPOINT 2',
        'DEFAULT_SUBSET 3',
        'KEYS_SUBSET 4',
      ],
      'Subset.LbSubsetMetadataFallbackPolicy': ['METADATA_NO_FALLBACK 0', 'FALLBACK_LIST 1'],
    },
  },
  {
    package: 'envoy.extensions.load_balancing_policies.wrr_locality.v3',
    messages: {
      WrrLocality: ['endpoint_picking_policy 1 config.cluster.v3.LoadBalancingPolicy'],
    },
  },
  {
    package: 'envoy.extensions.network.dns_resolver.cares.v3',
    messages: {
      CaresDnsResolverConfig: [
        'resolvers 1 config.core.v3.Address*',
        'use_resolvers_as_fallback 3 bool',
        'filter_unroutable_families 4 bool',
        'dns_resolver_options 2 config.core.v3.DnsResolverOptions',
        'udp_max_queries 5 google.protobuf.UInt32Value',
        'query_timeout_seconds 6 google.protobuf.UInt64Value',
        'query_tries 7 google.protobuf.UInt32Value',
        'rotate_nameservers 8 bool',
        'edns0_max_payload_size 9 google.protobuf.UInt32Value',
        'max_udp_channel_duration 10 google.protobuf.Duration',
        'reinit_channel_on_timeout 11 bool',
        'qcache_max_ttl 12 google.protobuf.UInt32Value',
      ],
    },
  },
  {
    package: 'envoy.extensions.network.dns_resolver.getaddrinfo.v3',
    messages: {
      GetAddrInfoDnsResolverConfig: [
        'num_retries 1 google.protobuf.UInt32Value',
        'num_resolver_threads 2 google.protobuf.UInt32Value',
      ],
    },
  },
  {
    package: 'envoy.extensions.upstreams.http.generic.v3',
    messages: {
      GenericConnectionPoolProto: [],
    },
  },
  {
    package: 'envoy.extensions.upstreams.http.v3',
    messages: {
      HttpProtocolOptions: [
        'common_http_protocol_options 1 config.core.v3.HttpProtocolOptions',
        'upstream_http_protocol_options 2 config.core.v3.UpstreamHttpProtocolOptions',
        'explicit_http_config 3 ExplicitHttpConfig|upstream_protocol_options',
        'use_downstream_protocol_config 4 UseDownstreamHttpConfig|upstream_protocol_options',
        'auto_config 5 AutoHttpConfig|upstream_protocol_options',
        'http_filters 6 filters.network.http_connection_manager.v3.HttpFilter*',
        'header_validation_config 7 config.core.v3.TypedExtensionConfig',
        'outlier_detection 8 OutlierDetection',
        'request_mirror_policies 9 config.route.v3.RouteAction.RequestMirrorPolicy*',
        'hash_policy 10 config.route.v3.RouteAction.HashPolicy*',
        'retry_policy 11 config.route.v3.RetryPolicy',
      ],
      'HttpProtocolOptions.ExplicitHttpConfig': [
        'http_protocol_options 1 config.core.v3.Http1ProtocolOptions|protocol_config',
        'http2_protocol_options 2 config.core.v3.Http2ProtocolOptions|protocol_config',
        'http3_protocol_options 3 config.core.v3.Http3ProtocolOptions|protocol_config',
      ],
      'HttpProtocolOptions.UseDownstreamHttpConfig': [
        'http_protocol_options 1 config.core.v3.Http1ProtocolOptions',
        'http2_protocol_options 2 config.core.v3.Http2ProtocolOptions',
        'http3_protocol_options 3 config.core.v3.Http3ProtocolOptions',
      ],
      'HttpProtocolOptions.AutoHttpConfig': [
        'http_protocol_options 1 config.core.v3.Http1ProtocolOptions',
        'http2_protocol_options 2 config.core.v3.Http2ProtocolOptions',
        'http3_protocol_options 3 config.core.v3.Http3ProtocolOptions',
        'alternate_protocols_cache_options 4 config.core.v3.AlternateProtocolsCacheOptions',
      ],
      'HttpProtocolOptions.OutlierDetection': ['error_matcher 1 config.common.matcher.v3.MatchPredicate'],
    },
  },
  {
    package: 'envoy.extensions.upstreams.tcp.generic.v3',
    messages: {
      GenericConnectionPoolProto: [],
    },
  },
];
