import type { SchemaFile } from './schema-file.ts';

/** Messages of protobuf itself that those of Istio and Envoy use. */
export const wellKnown: SchemaFile = {
  package: 'google.protobuf',
  messages: {
    Any: ['type_url 1 string', 'value 2 bytes'],
    Duration: ['seconds 1 int64', 'nanos 2 int32'],
    Timestamp: ['seconds 1 int64', 'nanos 2 int32'],
    Struct: ['fields 1 string>Value'],
    Value: [
      'null_value 1 NullValue|kind',
      'number_value 2 double|kind',
      'string_value 3 string|kind',
      'bool_value 4 bool|kind',
      'struct_value 5 Struct|kind',
      'list_value 6 ListValue|kind',
    ],
    ListValue: ['values 1 Value*'],
    Empty: [],
    DoubleValue: ['value 1 double'],
    FloatValue: ['value 1 float'],
    Int64Value: ['value 1 int64'],
    UInt64Value: ['value 1 uint64'],
    Int32Value: ['value 1 int32'],
    UInt32Value: ['value 1 uint32'],
    BoolValue: ['value 1 bool'],
    StringValue: ['value 1 string'],
  },
  enums: {
    NullValue: ['NULL_VALUE 0'],
  },
};
