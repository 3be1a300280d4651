import type { SchemaFile } from '../../proto/schema-file.ts';

/** RouteConfiguration and ScopedRouteConfiguration. */
export const routes: readonly SchemaFile[] = [
  {
    package: 'envoy.config.route.v3',
    messages: {
      RouteConfiguration: [
        'name 1 string',
        'virtual_hosts 2 VirtualHost*',
        'vhds 9 Vhds',
        'internal_only_headers 3 string*',
        'response_headers_to_add 4 core.v3.HeaderValueOption*',
        'response_headers_to_remove 5 string*',
        'request_headers_to_add 6 core.v3.HeaderValueOption*',
        'request_headers_to_remove 8 string*',
        'most_specific_header_mutations_wins 10 bool',
        'validate_clusters 7 google.protobuf.BoolValue',
        'max_direct_response_body_size_bytes 11 google.protobuf.UInt32Value',
        'cluster_specifier_plugins 12 ClusterSpecifierPlugin*',
        'request_mirror_policies 13 RouteAction.RequestMirrorPolicy*',
        'ignore_port_in_host_matching 14 bool',
        'vhost_header 18 string',
        'ignore_path_parameters_in_path_matching 15 bool',
        'typed_per_filter_config 16 string>google.protobuf.Any',
        'metadata 17 core.v3.Metadata',
        'route_specifiers 19 core.v3.TypedExtensionConfig*',
      ],
      Vhds: ['config_source 1 core.v3.ConfigSource'],
      ScopedRouteConfiguration: [
        'on_demand 4 bool',
        'name 1 string',
        'route_configuration_name 2 string',
        'route_configuration 5 RouteConfiguration',
        'key 3 Key',
      ],
      'ScopedRouteConfiguration.Key': ['fragments 1 Fragment*'],
      'ScopedRouteConfiguration.Key.Fragment': ['string_key 1 string|type'],
    },
  },
];
