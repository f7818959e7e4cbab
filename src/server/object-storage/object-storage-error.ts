/** Kinds of failures: missing objects, rejected access, a missing bucket, unknown requests, and outages. */
export type ObjectStorageFailure =
  | "missing"
  | "denied"
  | "no_bucket"
  | "unsupported"
  | "unavailable";

/** A failed request to the object storage. The message contains no credentials. */
export class ObjectStorageError extends Error {
  override readonly name = "ObjectStorageError";
  readonly failure: ObjectStorageFailure;

  constructor(failure: ObjectStorageFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** Whether the error says that an object does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof ObjectStorageError && error.failure === "missing";
}
