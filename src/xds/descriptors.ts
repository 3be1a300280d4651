// What the local endpoint speaks, as data for reflection: the names and numbers of rulebook 1.1 to 1.3. Messages show the fields that Weir reads or
// writes and those that people look at; what is not listed passes all the same.

/** A field: `name number type`; `*` after the type makes a list, `key>value` a map, `|name` a member of that oneof. */
type FieldText = string;

/** One `.proto` file. */
export interface FileDescription {
  readonly name: string;
  readonly package: string;
  readonly imports: readonly string[];
  /** Fields by message; a name with dots stands for a nested message. */
  readonly messages: Readonly<Record<string, readonly FieldText[]>>;
  /** Values by enum, each `NAME number`; a name with dots is nested in a message. */
  readonly enums?: Readonly<Record<string, readonly string[]>>;
  /** Methods by service, each `Name Request Response` with `stream` before either where it is one. */
  readonly services?: Readonly<Record<string, readonly string[]>>;
}

const any = 'google/protobuf/any.proto';
const struct = 'google/protobuf/struct.proto';
const duration = 'google/protobuf/duration.proto';
const timestamp = 'google/protobuf/timestamp.proto';
const rpcStatus = 'google/rpc/status.proto';
const base = 'envoy/config/core/v3/base.proto';
const adminStates = 'envoy/admin/v3/config_dump_shared.proto';
const discovery = 'envoy/service/discovery/v3/discovery.proto';

const core = 'envoy.config.core.v3';
const disco = 'envoy.service.discovery.v3';

/** The files without those of single services. */
const messageFiles: readonly FileDescription[] = [
  { name: any, package: 'google.protobuf', imports: [], messages: { Any: ['type_url 1 string', 'value 2 bytes'] } },
  {
    name: duration,
    package: 'google.protobuf',
    imports: [],
    messages: { Duration: ['seconds 1 int64', 'nanos 2 int32'] },
  },
  {
    name: timestamp,
    package: 'google.protobuf',
    imports: [],
    messages: { Timestamp: ['seconds 1 int64', 'nanos 2 int32'] },
  },
  {
    name: struct,
    package: 'google.protobuf',
    imports: [],
    messages: {
      Struct: ['fields 1 string>google.protobuf.Value'],
      Value: [
        'null_value 1 google.protobuf.NullValue|kind',
        'number_value 2 double|kind',
        'string_value 3 string|kind',
        'bool_value 4 bool|kind',
        'struct_value 5 google.protobuf.Struct|kind',
        'list_value 6 google.protobuf.ListValue|kind',
      ],
      ListValue: ['values 1 google.protobuf.Value*'],
    },
    enums: { NullValue: ['NULL_VALUE 0'] },
  },
  {
    name: rpcStatus,
    package: 'google.rpc',
    imports: [any],
    messages: { Status: ['code 1 int32', 'message 2 string', 'details 3 google.protobuf.Any*'] },
  },
  {
    name: base,
    package: core,
    imports: [struct],
    messages: {
      Locality: ['region 1 string', 'zone 2 string', 'sub_zone 3 string'],
      ControlPlane: ['identifier 1 string'],
      Node: [
        'id 1 string',
        'cluster 2 string',
        'metadata 3 google.protobuf.Struct',
        `locality 4 ${core}.Locality`,
        'user_agent_name 6 string',
        'user_agent_version 7 string',
        'client_features 10 string*',
      ],
    },
  },
  {
    name: discovery,
    package: disco,
    imports: [any, duration, rpcStatus, base],
    messages: {
      ResourceName: ['name 1 string'],
      ResourceError: [`resource_name 1 ${disco}.ResourceName`, 'error_detail 2 google.rpc.Status'],
      Resource: [
        'version 1 string',
        'resource 2 google.protobuf.Any',
        'name 3 string',
        'aliases 4 string*',
        'ttl 6 google.protobuf.Duration',
      ],
      DiscoveryRequest: [
        'version_info 1 string',
        `node 2 ${core}.Node`,
        'resource_names 3 string*',
        'type_url 4 string',
        'response_nonce 5 string',
        'error_detail 6 google.rpc.Status',
      ],
      DiscoveryResponse: [
        'version_info 1 string',
        'resources 2 google.protobuf.Any*',
        'canary 3 bool',
        'type_url 4 string',
        'nonce 5 string',
        `control_plane 6 ${core}.ControlPlane`,
        `resource_errors 7 ${disco}.ResourceError*`,
      ],
      DeltaDiscoveryRequest: [
        `node 1 ${core}.Node`,
        'type_url 2 string',
        'resource_names_subscribe 3 string*',
        'resource_names_unsubscribe 4 string*',
        'initial_resource_versions 5 string>string',
        'response_nonce 6 string',
        'error_detail 7 google.rpc.Status',
      ],
      DeltaDiscoveryResponse: [
        'system_version_info 1 string',
        `resources 2 ${disco}.Resource*`,
        'type_url 4 string',
        'nonce 5 string',
        'removed_resources 6 string*',
        `control_plane 7 ${core}.ControlPlane`,
        `resource_errors 9 ${disco}.ResourceError*`,
      ],
    },
  },
  {
    name: 'envoy/service/load_stats/v3/lrs.proto',
    package: 'envoy.service.load_stats.v3',
    imports: [base, duration],
    messages: {
      LoadStatsRequest: [`node 1 ${core}.Node`],
      LoadStatsResponse: [
        'clusters 1 string*',
        'load_reporting_interval 2 google.protobuf.Duration',
        'report_endpoint_granularity 3 bool',
        'send_all_clusters 4 bool',
      ],
    },
    services: {
      LoadReportingService: [
        'StreamLoadStats stream envoy.service.load_stats.v3.LoadStatsRequest stream envoy.service.load_stats.v3.LoadStatsResponse',
      ],
    },
  },
  {
    name: 'grpc/health/v1/health.proto',
    package: 'grpc.health.v1',
    imports: [],
    messages: {
      HealthCheckRequest: ['service 1 string'],
      HealthCheckResponse: ['status 1 grpc.health.v1.HealthCheckResponse.ServingStatus'],
      HealthListRequest: [],
      HealthListResponse: ['statuses 1 string>grpc.health.v1.HealthCheckResponse'],
    },
    enums: {
      'HealthCheckResponse.ServingStatus': ['UNKNOWN 0', 'SERVING 1', 'NOT_SERVING 2', 'SERVICE_UNKNOWN 3'],
    },
    services: {
      Health: [
        'Check grpc.health.v1.HealthCheckRequest grpc.health.v1.HealthCheckResponse',
        'Watch grpc.health.v1.HealthCheckRequest stream grpc.health.v1.HealthCheckResponse',
        'List grpc.health.v1.HealthListRequest grpc.health.v1.HealthListResponse',
      ],
    },
  },
  {
    name: 'envoy/service/status/v3/csds.proto',
    package: 'envoy.service.status.v3',
    imports: [any, timestamp, base, adminStates],
    messages: {
      ClientStatusRequest: [`node 2 ${core}.Node`, 'exclude_resource_contents 3 bool'],
      ClientConfig: [
        `node 1 ${core}.Node`,
        'generic_xds_configs 3 envoy.service.status.v3.ClientConfig.GenericXdsConfig*',
        'client_scope 4 string',
      ],
      'ClientConfig.GenericXdsConfig': [
        'type_url 1 string',
        'name 2 string',
        'version_info 3 string',
        'xds_config 4 google.protobuf.Any',
        'last_updated 5 google.protobuf.Timestamp',
        'config_status 6 envoy.service.status.v3.ConfigStatus',
        'client_status 7 envoy.admin.v3.ClientResourceStatus',
        'error_state 8 envoy.admin.v3.UpdateFailureState',
        'is_static_resource 9 bool',
      ],
      ClientStatusResponse: ['config 1 envoy.service.status.v3.ClientConfig*'],
    },
    enums: { ConfigStatus: ['UNKNOWN 0', 'SYNCED 1', 'NOT_SENT 2', 'STALE 3', 'ERROR 4'] },
    services: {
      ClientStatusDiscoveryService: [
        'StreamClientStatus stream envoy.service.status.v3.ClientStatusRequest stream envoy.service.status.v3.ClientStatusResponse',
        'FetchClientStatus envoy.service.status.v3.ClientStatusRequest envoy.service.status.v3.ClientStatusResponse',
      ],
    },
  },
  {
    name: adminStates,
    package: 'envoy.admin.v3',
    imports: [any, timestamp],
    messages: {
      UpdateFailureState: [
        'failed_configuration 1 google.protobuf.Any',
        'last_update_attempt 2 google.protobuf.Timestamp',
        'details 3 string',
        'version_info 4 string',
      ],
    },
    enums: {
      ClientResourceStatus: [
        'UNKNOWN 0',
        'REQUESTED 1',
        'DOES_NOT_EXIST 2',
        'ACKED 3',
        'NACKED 4',
        'RECEIVED_ERROR 5',
        'TIMEOUT 6',
      ],
    },
  },
];

/** A discovery service as reflection shows it. */
interface Discovered {
  readonly name: string;
  readonly methods: readonly { readonly name: string; readonly variant: 'sotw' | 'delta' }[];
}

/** The file of one discovery service. */
function discoveryFile({ name, methods }: Discovered): FileDescription {
  const at = name.lastIndexOf('.');
  const words = {
    sotw: ['DiscoveryRequest', 'DiscoveryResponse'],
    delta: ['DeltaDiscoveryRequest', 'DeltaDiscoveryResponse'],
  };
  return {
    name: `${name.replaceAll('.', '/')}.proto`,
    package: name.slice(0, at),
    imports: [discovery],
    messages: {},
    services: {
      [name.slice(at + 1)]: methods.map(method => {
        const [request = '', response = ''] = words[method.variant];
        return `${method.name} stream ${disco}.${request} stream ${disco}.${response}`;
      }),
    },
  };
}

/** The file of the reflection service in one of its two packages, which are the same but for the name. */
function reflectionFile(packageName: string): FileDescription {
  return {
    name: `${packageName.replaceAll('.', '/')}/reflection.proto`,
    package: packageName,
    imports: [],
    messages: {
      ServerReflectionRequest: [
        'host 1 string',
        'file_by_filename 3 string|message_request',
        'file_containing_symbol 4 string|message_request',
        'list_services 7 string|message_request',
      ],
      FileDescriptorResponse: ['file_descriptor_proto 1 bytes*'],
      ServiceResponse: ['name 1 string'],
      ListServiceResponse: [`service 1 ${packageName}.ServiceResponse*`],
      ErrorResponse: ['error_code 1 int32', 'error_message 2 string'],
      ServerReflectionResponse: [
        'valid_host 1 string',
        `original_request 2 ${packageName}.ServerReflectionRequest`,
        `file_descriptor_response 4 ${packageName}.FileDescriptorResponse|message_response`,
        `list_services_response 6 ${packageName}.ListServiceResponse|message_response`,
        `error_response 7 ${packageName}.ErrorResponse|message_response`,
      ],
    },
    services: {
      ServerReflection: [
        `ServerReflectionInfo stream ${packageName}.ServerReflectionRequest stream ${packageName}.ServerReflectionResponse`,
      ],
    },
  };
}

/** Every file that reflection shows. @param services discovery services that are served */
export function describedFiles(services: readonly Discovered[]): readonly FileDescription[] {
  return [
    ...messageFiles,
    ...services.map(discoveryFile),
    ...['grpc.reflection.v1', 'grpc.reflection.v1alpha'].map(reflectionFile),
  ];
}
