import type { SchemaFile } from '../../proto/schema-file.ts';

/** Compression and Wasm. */
export const plugins: readonly SchemaFile[] = [
  {
    package: 'envoy.extensions.compression.brotli.compressor.v3',
    messages: {
      Brotli: [
        'quality 1 google.protobuf.UInt32Value',
        'encoder_mode 2 EncoderMode',
        'window_bits 3 google.protobuf.UInt32Value',
        'input_block_bits 4 google.protobuf.UInt32Value',
        'chunk_size 5 google.protobuf.UInt32Value',
        'disable_literal_context_modeling 6 bool',
      ],
    },
    enums: {
      'Brotli.EncoderMode': ['DEFAULT 0', 'GENERIC 1', 'TEXT 2', 'FONT 3'],
    },
  },
  {
    package: 'envoy.extensions.compression.gzip.compressor.v3',
    messages: {
      Gzip: [
        'memory_level 1 google.protobuf.UInt32Value',
        'compression_level 2 CompressionLevel',
        'compression_strategy 3 CompressionStrategy',
        'window_bits 4 google.protobuf.UInt32Value',
        'chunk_size 5 google.protobuf.UInt32Value',
      ],
    },
    enums: {
      'Gzip.CompressionLevel': [
        'DEFAULT_COMPRESSION 0',
        'BEST_SPEED 1',
        'COMPRESSION_LEVEL_1 1',
        'COMPRESSION_LEVEL_2 2',
        'COMPRESSION_LEVEL_3 3',
        'COMPRESSION_LEVEL_4 4',
        'COMPRESSION_LEVEL_5 5',
        'COMPRESSION_LEVEL_6 6',
        'COMPRESSION_LEVEL_7 7',
        'COMPRESSION_LEVEL_8 8',
        'COMPRESSION_LEVEL_9 9',
        'BEST_COMPRESSION 9',
      ],
      'Gzip.CompressionStrategy': ['DEFAULT_STRATEGY 0', 'FILTERED 1', 'HUFFMAN_ONLY 2', 'RLE 3', 'FIXED 4'],
    },
  },
  {
    package: 'envoy.extensions.compression.gzip.decompressor.v3',
    messages: {
      Gzip: [
        'window_bits 1 google.protobuf.UInt32Value',
        'chunk_size 2 google.protobuf.UInt32Value',
        'max_inflate_ratio 3 google.protobuf.UInt32Value',
      ],
    },
  },
  {
    package: 'envoy.extensions.compression.zstd.compressor.v3',
    messages: {
      Zstd: [
        'compression_level 1 google.protobuf.UInt32Value',
        'enable_checksum 2 bool',
        'strategy 3 Strategy',
        'dictionary 4 config.core.v3.DataSource',
        'chunk_size 5 google.protobuf.UInt32Value',
      ],
    },
    enums: {
      'Zstd.Strategy': [
        'DEFAULT 0',
        'FAST 1',
        'DFAST 2',
        'GREEDY 3',
        'LAZY 4',
        'LAZY2 5',
        'BTLAZY2 6',
        'BTOPT 7',
        'BTULTRA 8',
        'BTULTRA2 9',
      ],
    },
  },
  {
    package: 'envoy.extensions.wasm.v3',
    messages: {
      PluginConfig: [
        'name 1 string',
        'root_id 2 string',
        'vm_config 3 VmConfig|vm',
        'configuration 4 google.protobuf.Any',
        'fail_open 5 bool',
        'failure_policy 7 FailurePolicy',
        'reload_config 8 ReloadConfig',
        'capability_restriction_config 6 CapabilityRestrictionConfig',
        'allow_on_headers_stop_iteration 9 google.protobuf.BoolValue',
      ],
      VmConfig: [
        'vm_id 1 string',
        'runtime 2 string',
        'code 3 config.core.v3.AsyncDataSource',
        'configuration 4 google.protobuf.Any',
        'allow_precompiled 5 bool',
        'nack_on_code_cache_miss 6 bool',
        'environment_variables 7 EnvironmentVariables',
        'capability_restriction_config 8 CapabilityRestrictionConfig',
      ],
      EnvironmentVariables: ['host_env_keys 1 string*', 'key_values 2 string>string'],
      CapabilityRestrictionConfig: ['allowed_capabilities 1 string>SanitizationConfig'],
      SanitizationConfig: [],
      ReloadConfig: ['backoff 1 config.core.v3.BackoffStrategy'],
      WasmService: ['config 1 PluginConfig', 'singleton 2 bool'],
    },
    enums: {
      FailurePolicy: ['UNSPECIFIED 0', 'FAIL_RELOAD 1', 'FAIL_CLOSED 2', 'FAIL_OPEN 3'],
    },
  },
];
