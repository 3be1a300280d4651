import type { SchemaFile } from '../../proto/schema-file.ts';

/** Where credentials of AWS come from. */
export const credentials: readonly SchemaFile[] = [
  {
    package: 'envoy.extensions.common.aws.v3',
    messages: {
      AwsCredentialProvider: [
        'assume_role_with_web_identity_provider 1 AssumeRoleWithWebIdentityCredentialProvider',
        'inline_credential 2 InlineCredentialProvider',
        'credentials_file_provider 3 CredentialsFileCredentialProvider',
        'custom_credential_provider_chain 4 bool',
        'iam_roles_anywhere_credential_provider 5 IAMRolesAnywhereCredentialProvider',
        'config_credential_provider 6 ConfigCredentialProvider',
        'container_credential_provider 7 ContainerCredentialProvider',
        'environment_credential_provider 8 EnvironmentCredentialProvider',
        'instance_profile_credential_provider 9 InstanceProfileCredentialProvider',
        'assume_role_credential_provider 10 AssumeRoleCredentialProvider',
      ],
      AssumeRoleWithWebIdentityCredentialProvider: [
        'web_identity_token_data_source 1 config.core.v3.DataSource sensitive',
        'role_arn 2 string',
        'role_session_name 3 string',
      ],
      InlineCredentialProvider: [
        'access_key_id 1 string',
        'secret_access_key 2 string sensitive',
        'session_token 3 string sensitive',
      ],
      CredentialsFileCredentialProvider: [
        'credentials_data_source 1 config.core.v3.DataSource sensitive',
        'profile 2 string',
      ],
      IAMRolesAnywhereCredentialProvider: [
        'role_arn 1 string',
        'certificate 2 config.core.v3.DataSource',
        'certificate_chain 3 config.core.v3.DataSource',
        'private_key 4 config.core.v3.DataSource sensitive',
        'trust_anchor_arn 5 string',
        'profile_arn 6 string',
        'role_session_name 7 string',
        'session_duration 8 google.protobuf.Duration',
      ],
      ConfigCredentialProvider: [],
      ContainerCredentialProvider: [],
      EnvironmentCredentialProvider: [],
      InstanceProfileCredentialProvider: [],
      AssumeRoleCredentialProvider: [
        'role_arn 1 string',
        'role_session_name 2 string',
        'external_id 3 string',
        'session_duration 4 google.protobuf.Duration',
        'credential_provider 5 AwsCredentialProvider',
      ],
    },
  },
];
