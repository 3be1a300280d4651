import type { SchemaFile } from '../../proto/schema-file.ts';

/** Who a policy is for. */
export const selectors: SchemaFile = {
  package: 'istio.type.v1beta1',
  messages: {
    WorkloadSelector: ['match_labels 1 string>string'],
    PortSelector: ['number 1 uint32'],
    PolicyTargetReference: ['group 1 string', 'kind 2 string', 'name 3 string', 'namespace 4 string'],
  },
  enums: {
    WorkloadMode: ['UNDEFINED 0', 'CLIENT 1', 'SERVER 2', 'CLIENT_AND_SERVER 3'],
  },
};
