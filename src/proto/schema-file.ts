/**
 * A field: `name number type`; `*` after the type makes a list, `key>value` a map, `|name` a member of that oneof. The word `sensitive` behind it
 * says that it holds a key or a password.
 */
type FieldText = string;

/**
 * What Weir knows of one `.proto` file or a part of it. Fields stand in the order in which they are declared. A type is a scalar, or a
 * message or enum by as much of its full name as is needed from where it stands, looked up from the inside outwards as protobuf does.
 * The numbers are facts of the Go modules that `test/programs/go-types/go.mod` names; tests of the e2e suite compare every one of them
 * with the descriptors in there.
 */
export interface SchemaFile {
  readonly package: string;
  /** Fields by message; a name with dots stands for a nested message. */
  readonly messages: Readonly<Record<string, readonly FieldText[]>>;
  /** Values by enum, each `NAME number`; a name with dots is nested in a message. */
  readonly enums?: Readonly<Record<string, readonly string[]>>;
}
