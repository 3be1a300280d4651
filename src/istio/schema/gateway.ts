import type { SchemaFile } from '../../proto/schema-file.ts';

/** Gateway; Server and ServerTLSSettings stand in sidecars as well. */
export const gateway: SchemaFile = {
  package: 'istio.networking.v1alpha3',
  messages: {
    Gateway: ['servers 1 Server*', 'selector 2 string>string'],
    Server: [
      'port 1 Port',
      'bind 4 string',
      'hosts 2 string*',
      'tls 3 ServerTLSSettings',
      'default_endpoint 5 string',
      'name 6 string',
    ],
    Port: ['number 1 uint32', 'protocol 2 string', 'name 3 string', 'target_port 4 uint32'],
    ServerTLSSettings: [
      'https_redirect 1 bool',
      'mode 2 TLSmode',
      'server_certificate 3 string',
      'private_key 4 string',
      'ca_certificates 5 string',
      'ca_crl 13 string',
      'credential_name 10 string',
      'credential_names 14 string*',
      'ca_cert_credential_name 16 string',
      'tls_certificates 15 TLSCertificate*',
      'subject_alt_names 6 string*',
      'verify_certificate_spki 11 string*',
      'verify_certificate_hash 12 string*',
      'min_protocol_version 7 TLSProtocol',
      'max_protocol_version 8 TLSProtocol',
      'cipher_suites 9 string*',
      'insecure_skip_verify 17 google.protobuf.BoolValue',
    ],
    'ServerTLSSettings.TLSCertificate': [
      'server_certificate 1 string',
      'private_key 2 string',
      'ca_certificates 3 string',
    ],
  },
  enums: {
    'ServerTLSSettings.TLSmode': [
      'PASSTHROUGH 0',
      'SIMPLE 1',
      'MUTUAL 2',
      'AUTO_PASSTHROUGH 3',
      'ISTIO_MUTUAL 4',
      'OPTIONAL_MUTUAL 5',
    ],
    'ServerTLSSettings.TLSProtocol': ['TLS_AUTO 0', 'TLSV1_0 1', 'TLSV1_1 2', 'TLSV1_2 3', 'TLSV1_3 4'],
  },
};
