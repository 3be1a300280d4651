import type { SchemaFile } from '../../proto/schema-file.ts';

/** WorkloadEntry and WorkloadGroup. */
export const workloads: SchemaFile = {
  package: 'istio.networking.v1alpha3',
  messages: {
    WorkloadEntry: [
      'address 1 string',
      'ports 2 string>uint32',
      'labels 3 string>string',
      'network 4 string',
      'locality 5 string',
      'weight 6 uint32',
      'service_account 7 string',
    ],
    WorkloadGroup: ['metadata 1 ObjectMeta', 'template 2 WorkloadEntry', 'probe 3 ReadinessProbe'],
    'WorkloadGroup.ObjectMeta': ['labels 1 string>string', 'annotations 2 string>string'],
    ReadinessProbe: [
      'initial_delay_seconds 2 int32',
      'timeout_seconds 3 int32',
      'period_seconds 4 int32',
      'success_threshold 5 int32',
      'failure_threshold 6 int32',
      'http_get 7 HTTPHealthCheckConfig|health_check_method',
      'tcp_socket 8 TCPHealthCheckConfig|health_check_method',
      'exec 9 ExecHealthCheckConfig|health_check_method',
      'grpc 10 GrpcHealthCheckConfig|health_check_method',
    ],
    HTTPHealthCheckConfig: [
      'path 1 string',
      'port 2 uint32',
      'host 3 string',
      'scheme 4 string',
      'http_headers 5 HTTPHeader*',
    ],
    GrpcHealthCheckConfig: ['port 1 uint32', 'service 2 string'],
    HTTPHeader: ['name 1 string', 'value 2 string'],
    TCPHealthCheckConfig: ['host 1 string', 'port 2 uint32'],
    ExecHealthCheckConfig: ['command 1 string*'],
  },
};
