import type { SchemaFile } from '../../proto/schema-file.ts';

/** HTTP filters that shape traffic: the router, faults, limits, CORS, compression. */
export const trafficFilters: readonly SchemaFile[] = [
  {
    package: 'envoy.extensions.filters.http.buffer.v3',
    messages: {
      Buffer: ['max_request_bytes 1 google.protobuf.UInt32Value'],
      BufferPerRoute: ['disabled 1 bool|override', 'buffer 2 Buffer|override'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.compressor.v3',
    messages: {
      Compressor: [
        'content_length 1 google.protobuf.UInt32Value',
        'content_type 2 string*',
        'disable_on_etag_header 3 bool',
        'remove_accept_encoding_header 4 bool',
        'runtime_enabled 5 config.core.v3.RuntimeFeatureFlag',
        'compressor_library 6 config.core.v3.TypedExtensionConfig',
        'request_direction_config 7 RequestDirectionConfig',
        'response_direction_config 8 ResponseDirectionConfig',
        'choose_first 9 bool',
      ],
      'Compressor.RequestDirectionConfig': ['common_config 1 CommonDirectionConfig'],
      'Compressor.CommonDirectionConfig': [
        'enabled 1 config.core.v3.RuntimeFeatureFlag',
        'min_content_length 2 google.protobuf.UInt32Value',
        'content_type 3 string*',
        'content_type_matcher 4 type.matcher.v3.StringMatcher*',
      ],
      'Compressor.ResponseDirectionConfig': [
        'common_config 1 CommonDirectionConfig',
        'disable_on_etag_header 2 bool',
        'weaken_etag_on_compress 6 bool',
        'remove_accept_encoding_header 3 bool',
        'uncompressible_response_codes 4 uint32*',
        'status_header_enabled 5 bool',
      ],
      ResponseDirectionOverrides: ['remove_accept_encoding_header 1 google.protobuf.BoolValue'],
      CompressorOverrides: [
        'response_direction_config 1 ResponseDirectionOverrides',
        'compressor_library 2 config.core.v3.TypedExtensionConfig',
      ],
      CompressorPerRoute: ['disabled 1 bool|override', 'overrides 2 CompressorOverrides|override'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.cors.v3',
    messages: {
      Cors: [],
      CorsPolicy: [
        'allow_origin_string_match 1 type.matcher.v3.StringMatcher*',
        'allow_methods 2 string',
        'allow_headers 3 string',
        'expose_headers 4 string',
        'max_age 5 string',
        'allow_credentials 6 google.protobuf.BoolValue',
        'filter_enabled 7 config.core.v3.RuntimeFractionalPercent',
        'shadow_enabled 8 config.core.v3.RuntimeFractionalPercent',
        'allow_private_network_access 9 google.protobuf.BoolValue',
        'forward_not_matching_preflights 10 google.protobuf.BoolValue',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.csrf.v3',
    messages: {
      CsrfPolicy: [
        'filter_enabled 1 config.core.v3.RuntimeFractionalPercent',
        'shadow_enabled 2 config.core.v3.RuntimeFractionalPercent',
        'additional_origins 3 type.matcher.v3.StringMatcher*',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.decompressor.v3',
    messages: {
      Decompressor: [
        'decompressor_library 1 config.core.v3.TypedExtensionConfig',
        'request_direction_config 2 RequestDirectionConfig',
        'response_direction_config 3 ResponseDirectionConfig',
      ],
      'Decompressor.RequestDirectionConfig': [
        'common_config 1 CommonDirectionConfig',
        'advertise_accept_encoding 2 google.protobuf.BoolValue',
      ],
      'Decompressor.CommonDirectionConfig': [
        'enabled 1 config.core.v3.RuntimeFeatureFlag',
        'ignore_no_transform_header 2 bool',
      ],
      'Decompressor.ResponseDirectionConfig': ['common_config 1 CommonDirectionConfig'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.dynamic_forward_proxy.v3',
    messages: {
      FilterConfig: [
        'dns_cache_config 1 common.dynamic_forward_proxy.v3.DnsCacheConfig|implementation_specifier',
        'sub_cluster_config 3 SubClusterConfig|implementation_specifier',
        'save_upstream_address 2 bool',
        'allow_dynamic_host_from_filter_state 4 bool',
      ],
      SubClusterConfig: ['cluster_init_timeout 3 google.protobuf.Duration'],
      PerRouteConfig: [
        'host_rewrite_literal 1 string|host_rewrite_specifier',
        'host_rewrite_header 2 string|host_rewrite_specifier',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.fault.v3',
    messages: {
      FaultAbort: [
        'http_status 2 uint32|error_type',
        'grpc_status 5 uint32|error_type',
        'header_abort 4 HeaderAbort|error_type',
        'percentage 3 type.v3.FractionalPercent',
        'response_body 6 string',
      ],
      'FaultAbort.HeaderAbort': [],
      HTTPFault: [
        'delay 1 common.fault.v3.FaultDelay',
        'abort 2 FaultAbort',
        'upstream_cluster 3 string',
        'headers 4 config.route.v3.HeaderMatcher*',
        'downstream_nodes 5 string*',
        'max_active_faults 6 google.protobuf.UInt32Value',
        'response_rate_limit 7 common.fault.v3.FaultRateLimit',
        'delay_percent_runtime 8 string',
        'abort_percent_runtime 9 string',
        'delay_duration_runtime 10 string',
        'abort_http_status_runtime 11 string',
        'max_active_faults_runtime 12 string',
        'response_rate_limit_percent_runtime 13 string',
        'abort_grpc_status_runtime 14 string',
        'disable_downstream_cluster_stats 15 bool',
        'filter_metadata 16 google.protobuf.Struct',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.health_check.v3',
    messages: {
      HealthCheck: [
        'pass_through_mode 1 google.protobuf.BoolValue',
        'cache_time 3 google.protobuf.Duration',
        'cluster_min_healthy_percentages 4 string>type.v3.Percent',
        'headers 5 config.route.v3.HeaderMatcher*',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.local_ratelimit.v3',
    messages: {
      LocalRateLimit: [
        'stat_prefix 1 string',
        'status 2 type.v3.HttpStatus',
        'token_bucket 3 type.v3.TokenBucket',
        'filter_enabled 4 config.core.v3.RuntimeFractionalPercent',
        'filter_enforced 5 config.core.v3.RuntimeFractionalPercent',
        'request_headers_to_add_when_not_enforced 10 config.core.v3.HeaderValueOption*',
        'response_headers_to_add 6 config.core.v3.HeaderValueOption*',
        'descriptors 8 common.ratelimit.v3.LocalRateLimitDescriptor*',
        'stage 9 uint32',
        'local_rate_limit_per_downstream_connection 11 bool',
        'local_cluster_rate_limit 16 common.ratelimit.v3.LocalClusterRateLimit',
        'enable_x_ratelimit_headers 12 common.ratelimit.v3.XRateLimitHeadersRFCVersion',
        'vh_rate_limits 13 common.ratelimit.v3.VhRateLimitsOptions',
        'always_consume_default_token_bucket 14 google.protobuf.BoolValue',
        'rate_limited_as_resource_exhausted 15 bool',
        'rate_limits 17 config.route.v3.RateLimit*',
        'max_dynamic_descriptors 18 google.protobuf.UInt32Value',
        'enable_retry_after_header 19 bool',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.ratelimit.v3',
    messages: {
      RateLimit: [
        'domain 1 string',
        'stage 2 uint32',
        'request_type 3 string',
        'timeout 4 google.protobuf.Duration',
        'failure_mode_deny 5 bool',
        'rate_limited_as_resource_exhausted 6 bool',
        'rate_limit_service 7 config.ratelimit.v3.RateLimitServiceConfig',
        'enable_x_ratelimit_headers 8 XRateLimitHeadersRFCVersion',
        'disable_x_envoy_ratelimited_header 9 bool',
        'rate_limited_status 10 type.v3.HttpStatus',
        'response_headers_to_add 11 config.core.v3.HeaderValueOption*',
        'status_on_error 12 type.v3.HttpStatus',
        'stat_prefix 13 string',
        'filter_enabled 14 config.core.v3.RuntimeFractionalPercent',
        'filter_enforced 15 config.core.v3.RuntimeFractionalPercent',
        'failure_mode_deny_percent 16 config.core.v3.RuntimeFractionalPercent',
        'rate_limits 17 config.route.v3.RateLimit*',
        'metadata_namespace 18 string',
        'enable_retry_after_header 19 bool',
      ],
      RateLimitPerRoute: [
        'vh_rate_limits 1 VhRateLimitsOptions',
        'override_option 2 OverrideOptions',
        'rate_limits 3 config.route.v3.RateLimit*',
        'domain 4 string',
      ],
    },
    enums: {
      'RateLimit.XRateLimitHeadersRFCVersion': ['OFF 0', 'DRAFT_VERSION_03 1'],
      'RateLimitPerRoute.VhRateLimitsOptions': ['OVERRIDE 0', 'INCLUDE 1', 'IGNORE 2'],
      'RateLimitPerRoute.OverrideOptions': ['DEFAULT 0', 'OVERRIDE_POLICY 1', 'INCLUDE_POLICY 2', 'IGNORE_POLICY 3'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.router.v3',
    messages: {
      Router: [
        'dynamic_stats 1 google.protobuf.BoolValue',
        'start_child_span 2 bool',
        'upstream_log 3 config.accesslog.v3.AccessLog*',
        'upstream_log_options 9 UpstreamAccessLogOptions',
        'suppress_envoy_headers 4 bool',
        'strict_check_headers 5 string*',
        'respect_expected_rq_timeout 6 bool',
        'suppress_grpc_request_failure_code_stats 7 bool',
        'upstream_http_filters 8 network.http_connection_manager.v3.HttpFilter*',
        'reject_connect_request_early_data 10 google.protobuf.BoolValue',
      ],
      'Router.UpstreamAccessLogOptions': [
        'flush_upstream_log_on_upstream_stream 1 bool',
        'upstream_log_flush_interval 2 google.protobuf.Duration',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.stateful_session.v3',
    messages: {
      StatefulSession: [
        'session_state 1 config.core.v3.TypedExtensionConfig',
        'strict 2 bool',
        'stat_prefix 3 string',
        'status_on_strict_destination_not_found 4 uint32',
      ],
      StatefulSessionPerRoute: ['disabled 1 bool|override', 'stateful_session 2 StatefulSession|override'],
    },
  },
];
