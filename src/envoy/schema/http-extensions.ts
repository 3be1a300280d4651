import type { SchemaFile } from '../../proto/schema-file.ts';

/** Extensions of HTTP: retries, redirects, sessions, headers, paths. */
export const httpExtensions: readonly SchemaFile[] = [
  {
    package: 'envoy.data.accesslog.v3',
    messages: {},
    enums: {
      AccessLogType: [
        'NotSet 0',
        'TcpUpstreamConnected 1',
        'TcpPeriodic 2',
        'TcpConnectionStart 14',
        'TcpConnectionEnd 3',
        'DownstreamStart 4',
        'DownstreamPeriodic 5',
        'DownstreamEnd 6',
        'UpstreamPoolReady 7',
        'UpstreamPeriodic 8',
        'UpstreamEnd 9',
        'DownstreamTunnelSuccessfullyEstablished 10',
        'UdpTunnelUpstreamConnected 11',
        'UdpPeriodic 12',
        'UdpSessionEnd 13',
      ],
    },
  },
  {
    package: 'envoy.extensions.common.dynamic_forward_proxy.v3',
    messages: {
      DnsCacheConfig: [
        'name 1 string',
        'dns_lookup_family 2 config.cluster.v3.Cluster.DnsLookupFamily',
        'dns_refresh_rate 3 google.protobuf.Duration',
        'dns_min_refresh_rate 14 google.protobuf.Duration',
        'host_ttl 4 google.protobuf.Duration',
        'max_hosts 5 google.protobuf.UInt32Value',
        'disable_dns_refresh_on_failure 15 bool',
        'dns_failure_refresh_rate 6 config.cluster.v3.Cluster.RefreshRate',
        'dns_cache_circuit_breaker 7 DnsCacheCircuitBreakers',
        'use_tcp_for_dns_lookups 8 bool',
        'dns_resolution_config 9 config.core.v3.DnsResolutionConfig',
        'typed_dns_resolver_config 12 config.core.v3.TypedExtensionConfig',
        'preresolve_hostnames 10 config.core.v3.SocketAddress*',
        'dns_query_timeout 11 google.protobuf.Duration',
        'key_value_config 13 config.common.key_value.v3.KeyValueStoreConfig',
        'resolved_address_filter 16 type.matcher.v3.AddressMatcher',
      ],
      DnsCacheCircuitBreakers: ['max_pending_requests 1 google.protobuf.UInt32Value'],
    },
  },
  {
    package: 'envoy.extensions.common.ratelimit.v3',
    messages: {
      LocalRateLimitDescriptor: [
        'entries 1 RateLimitDescriptor.Entry*',
        'token_bucket 2 type.v3.TokenBucket',
        'shadow_mode 3 bool',
      ],
      'RateLimitDescriptor.Entry': ['key 1 string', 'value 2 string'],
      LocalClusterRateLimit: [],
    },
    enums: {
      XRateLimitHeadersRFCVersion: ['OFF 0', 'DRAFT_VERSION_03 1'],
      VhRateLimitsOptions: ['OVERRIDE 0', 'INCLUDE 1', 'IGNORE 2'],
    },
  },
  {
    package: 'envoy.extensions.http.early_header_mutation.header_mutation.v3',
    messages: {
      HeaderMutation: ['mutations 1 config.common.mutation_rules.v3.HeaderMutation*'],
    },
  },
  {
    package: 'envoy.extensions.http.header_formatters.preserve_case.v3',
    messages: {
      PreserveCaseFormatterConfig: [
        'forward_reason_phrase 1 bool',
        'formatter_type_on_envoy_headers 2 FormatterTypeOnEnvoyHeaders',
      ],
    },
    enums: {
      'PreserveCaseFormatterConfig.FormatterTypeOnEnvoyHeaders': ['DEFAULT 0', 'PROPER_CASE 1'],
    },
  },
  {
    package: 'envoy.extensions.http.header_validators.envoy_default.v3',
    messages: {
      HeaderValidatorConfig: [
        'http1_protocol_options 1 Http1ProtocolOptions',
        'uri_path_normalization_options 2 UriPathNormalizationOptions',
        'restrict_http_methods 3 bool',
        'headers_with_underscores_action 4 HeadersWithUnderscoresAction',
        'strip_fragment_from_path 5 bool',
      ],
      'HeaderValidatorConfig.Http1ProtocolOptions': ['allow_chunked_length 1 bool'],
      'HeaderValidatorConfig.UriPathNormalizationOptions': [
        'skip_path_normalization 1 bool',
        'skip_merging_slashes 2 bool',
        'path_with_escaped_slashes_action 3 PathWithEscapedSlashesAction',
      ],
    },
    enums: {
      'HeaderValidatorConfig.UriPathNormalizationOptions.PathWithEscapedSlashesAction': [
        'IMPLEMENTATION_SPECIFIC_DEFAULT 0',
        'KEEP_UNCHANGED 1',
        'REJECT_REQUEST 2',
        'UNESCAPE_AND_REDIRECT 3',
        'UNESCAPE_AND_FORWARD 4',
      ],
      'HeaderValidatorConfig.HeadersWithUnderscoresAction': ['ALLOW 0', 'REJECT_REQUEST 1', 'DROP_HEADER 2'],
    },
  },
  {
    package: 'envoy.extensions.http.original_ip_detection.custom_header.v3',
    messages: {
      CustomHeaderConfig: [
        'header_name 1 string',
        'allow_extension_to_set_address_as_trusted 2 bool',
        'reject_with_status 3 type.v3.HttpStatus',
      ],
    },
  },
  {
    package: 'envoy.extensions.http.original_ip_detection.xff.v3',
    messages: {
      XffConfig: [
        'xff_num_trusted_hops 1 uint32',
        'xff_trusted_cidrs 2 XffTrustedCidrs',
        'skip_xff_append 3 google.protobuf.BoolValue',
      ],
      XffTrustedCidrs: ['cidrs 1 config.core.v3.CidrRange*'],
    },
  },
  {
    package: 'envoy.extensions.http.stateful_session.cookie.v3',
    messages: {
      CookieBasedSessionState: ['cookie 1 type.http.v3.Cookie'],
    },
  },
  {
    package: 'envoy.extensions.http.stateful_session.header.v3',
    messages: {
      HeaderBasedSessionState: ['name 1 string'],
    },
  },
  {
    package: 'envoy.extensions.internal_redirect.allow_listed_routes.v3',
    messages: {
      AllowListedRoutesConfig: ['allowed_route_names 1 string*'],
    },
  },
  {
    package: 'envoy.extensions.internal_redirect.previous_routes.v3',
    messages: {
      PreviousRoutesConfig: [],
    },
  },
  {
    package: 'envoy.extensions.internal_redirect.safe_cross_scheme.v3',
    messages: {
      SafeCrossSchemeConfig: [],
    },
  },
  {
    package: 'envoy.extensions.path.match.uri_template.v3',
    messages: {
      UriTemplateMatchConfig: ['path_template 1 string'],
    },
  },
  {
    package: 'envoy.extensions.path.rewrite.uri_template.v3',
    messages: {
      UriTemplateRewriteConfig: ['path_template_rewrite 1 string'],
    },
  },
  {
    package: 'envoy.extensions.request_id.uuid.v3',
    messages: {
      UuidRequestIdConfig: [
        'pack_trace_reason 1 google.protobuf.BoolValue',
        'use_request_id_for_trace_sampling 2 google.protobuf.BoolValue',
      ],
    },
  },
  {
    package: 'envoy.extensions.retry.host.omit_canary_hosts.v3',
    messages: {
      OmitCanaryHostsPredicate: [],
    },
  },
  {
    package: 'envoy.extensions.retry.host.omit_host_metadata.v3',
    messages: {
      OmitHostMetadataConfig: ['metadata_match 1 config.core.v3.Metadata'],
    },
  },
  {
    package: 'envoy.extensions.retry.host.previous_hosts.v3',
    messages: {
      PreviousHostsPredicate: [],
    },
  },
  {
    package: 'envoy.extensions.retry.priority.previous_priorities.v3',
    messages: {
      PreviousPrioritiesConfig: ['update_frequency 1 int32'],
    },
  },
];
