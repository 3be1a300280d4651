import type { SchemaFile } from '../../proto/schema-file.ts';

/** ServiceEntry. */
export const serviceEntry: SchemaFile = {
  package: 'istio.networking.v1alpha3',
  messages: {
    ServiceEntry: [
      'hosts 1 string*',
      'addresses 2 string*',
      'ports 3 ServicePort*',
      'location 4 Location',
      'resolution 5 Resolution',
      'endpoints 6 WorkloadEntry*',
      'workload_selector 9 WorkloadSelector',
      'export_to 7 string*',
      'subject_alt_names 8 string*',
    ],
    ServicePort: ['number 1 uint32', 'protocol 2 string', 'name 3 string', 'target_port 4 uint32'],
  },
  enums: {
    'ServiceEntry.Location': ['MESH_EXTERNAL 0', 'MESH_INTERNAL 1'],
    'ServiceEntry.Resolution': ['NONE 0', 'STATIC 1', 'DNS 2', 'DNS_ROUND_ROBIN 3', 'DYNAMIC_DNS 4'],
  },
};
