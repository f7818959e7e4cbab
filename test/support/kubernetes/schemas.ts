/** The type of a field: a scalar, a reference to a named type, or a list or map of others. */
export type FieldType =
  | "string"
  | "numeric"
  | "boolean"
  | "untyped"
  | { ref: string }
  | { list: FieldType }
  | { map: FieldType };

/** A named type: an object with fields, or a scalar such as a quantity. */
export type Schema =
  | { fields: Record<string, FieldType>; required?: string[] }
  | "string"
  | "numeric"
  | "boolean"
  | "untyped";

export type Schemas = Record<string, Schema>;
