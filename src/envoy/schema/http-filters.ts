import type { SchemaFile } from '../../proto/schema-file.ts';

/** The other HTTP filters. */
export const httpFilters: readonly SchemaFile[] = [
  {
    package: 'envoy.extensions.filters.common.fault.v3',
    messages: {
      FaultDelay: [
        'fixed_delay 3 google.protobuf.Duration|fault_delay_secifier',
        'header_delay 5 HeaderDelay|fault_delay_secifier',
        'percentage 4 type.v3.FractionalPercent',
      ],
      'FaultDelay.HeaderDelay': [],
      FaultRateLimit: [
        'fixed_limit 1 FixedLimit|limit_type',
        'header_limit 3 HeaderLimit|limit_type',
        'percentage 2 type.v3.FractionalPercent',
      ],
      'FaultRateLimit.FixedLimit': ['limit_kbps 1 uint64'],
      'FaultRateLimit.HeaderLimit': [],
    },
  },
  {
    package: 'envoy.extensions.filters.common.set_filter_state.v3',
    messages: {
      FilterStateValue: [
        'object_key 1 string|key',
        'factory_key 6 string',
        'format_string 2 config.core.v3.SubstitutionFormatString|value',
        'read_only 3 bool',
        'shared_with_upstream 4 SharedWithUpstream',
        'skip_if_empty 5 bool',
      ],
    },
    enums: {
      'FilterStateValue.SharedWithUpstream': ['NONE 0', 'ONCE 1', 'TRANSITIVE 2'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.composite.v3',
    messages: {
      Composite: ['named_filter_chains 1 string>FilterChainConfiguration', 'matcher 2 xds.type.matcher.v3.Matcher'],
      FilterChainConfiguration: ['typed_config 1 config.core.v3.TypedExtensionConfig*'],
      CompositePerRoute: ['matcher 1 xds.type.matcher.v3.Matcher'],
      DynamicConfig: ['name 1 string', 'config_discovery 2 config.core.v3.ExtensionConfigSource'],
      ExecuteFilterAction: [
        'typed_config 1 config.core.v3.TypedExtensionConfig',
        'dynamic_config 2 DynamicConfig',
        'filter_chain 4 FilterChainConfiguration',
        'filter_chain_name 5 string',
        'sample_percent 3 config.core.v3.RuntimeFractionalPercent',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.connect_grpc_bridge.v3',
    messages: {
      FilterConfig: [],
    },
  },
  {
    package: 'envoy.extensions.filters.http.custom_response.v3',
    messages: {
      CustomResponse: ['custom_response_matcher 1 xds.type.matcher.v3.Matcher'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.grpc_http1_bridge.v3',
    messages: {
      Config: ['upgrade_protobuf_to_grpc 1 bool', 'ignore_query_parameters 2 bool'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.grpc_stats.v3',
    messages: {
      FilterConfig: [
        'emit_filter_state 1 bool',
        'individual_method_stats_allowlist 2 config.core.v3.GrpcMethodList|per_method_stat_specifier',
        'stats_for_all_methods 3 google.protobuf.BoolValue|per_method_stat_specifier',
        'enable_upstream_stats 4 bool',
        'replace_dots_in_grpc_service_name 5 bool',
      ],
      FilterObject: ['request_message_count 1 uint64', 'response_message_count 2 uint64'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.grpc_web.v3',
    messages: {
      GrpcWeb: [],
    },
  },
  {
    package: 'envoy.extensions.filters.http.header_mutation.v3',
    messages: {
      Mutations: [
        'request_mutations 1 config.common.mutation_rules.v3.HeaderMutation*',
        'query_parameter_mutations 3 config.core.v3.KeyValueMutation*',
        'response_mutations 2 config.common.mutation_rules.v3.HeaderMutation*',
        'response_trailers_mutations 4 config.common.mutation_rules.v3.HeaderMutation*',
        'request_trailers_mutations 5 config.common.mutation_rules.v3.HeaderMutation*',
        'formatters 6 config.core.v3.TypedExtensionConfig*',
      ],
      HeaderMutationPerRoute: ['mutations 1 Mutations'],
      HeaderMutation: ['mutations 1 Mutations', 'most_specific_header_mutations_wins 2 bool'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.lua.v3',
    messages: {
      Lua: [
        'inline_code 1 string',
        'source_codes 2 string>config.core.v3.DataSource',
        'default_source_code 3 config.core.v3.DataSource',
        'stat_prefix 4 string',
        'clear_route_cache 5 google.protobuf.BoolValue',
        'filter_context 6 google.protobuf.Struct',
        'package_paths 7 string*',
        'package_cpaths 8 string*',
        'shared_vm_id 9 string',
      ],
      LuaPerRoute: [
        'disabled 1 bool|override',
        'name 2 string|override',
        'source_code 3 config.core.v3.DataSource|override',
        'filter_context 4 google.protobuf.Struct',
        'package_paths 5 string*',
        'package_cpaths 6 string*',
        'shared_vm_id 7 string',
      ],
    },
  },
  {
    package: 'envoy.extensions.filters.http.on_demand.v3',
    messages: {
      OnDemandCds: [
        'source 1 config.core.v3.ConfigSource',
        'resources_locator 2 string',
        'timeout 3 google.protobuf.Duration',
      ],
      OnDemand: ['odcds 1 OnDemandCds'],
      PerRouteConfig: ['odcds 1 OnDemandCds'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.set_filter_state.v3',
    messages: {
      Config: ['on_request_headers 1 common.set_filter_state.v3.FilterStateValue*', 'clear_route_cache 2 bool'],
    },
  },
  {
    package: 'envoy.extensions.filters.http.wasm.v3',
    messages: {
      Wasm: ['config 1 wasm.v3.PluginConfig'],
    },
  },
];
