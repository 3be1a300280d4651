import type { SchemaFile } from '../../proto/schema-file.ts';

/** How MCP carries a resource. */
export const mcp: SchemaFile = {
  package: 'istio.mcp.v1alpha1',
  messages: {
    Metadata: [
      'name 1 string',
      'create_time 2 google.protobuf.Timestamp',
      'version 3 string',
      'labels 4 string>string',
      'annotations 5 string>string',
    ],
    Resource: ['metadata 1 Metadata', 'body 2 google.protobuf.Any'],
  },
};
