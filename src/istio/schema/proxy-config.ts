import type { SchemaFile } from '../../proto/schema-file.ts';

/** The kind ProxyConfig, which is another message than the ProxyConfig of the mesh. */
export const proxyConfig: SchemaFile = {
  package: 'istio.networking.v1beta1',
  messages: {
    ProxyConfig: [
      'selector 1 istio.type.v1beta1.WorkloadSelector',
      'concurrency 2 google.protobuf.Int32Value',
      'environment_variables 3 string>string',
      'image 4 ProxyImage',
    ],
    ProxyImage: ['image_type 1 string'],
  },
};
