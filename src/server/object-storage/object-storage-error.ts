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

/** Explains a failure to the operator in one sentence that says what to do. */
export function explainFailure(error: unknown, endpoint: string, bucket: string): string {
  const { failure, message } =
    error instanceof ObjectStorageError
      ? error
      : { failure: "unavailable", message: (error as Error).message };
  switch (failure) {
    case "no_bucket":
      return `The bucket ${bucket} does not exist at ${endpoint}; create it, or correct OMOI_S3_BUCKET`;
    case "denied":
      return `${endpoint} rejects the access to the bucket ${bucket} (${message}); check OMOI_S3_ACCESS_KEY_ID, OMOI_S3_SECRET_ACCESS_KEY, OMOI_S3_REGION and the permissions of the key`;
    case "missing":
      return `An object is missing in the bucket ${bucket} (${message}); restore it, or accept its loss`;
    default:
      return `The object storage at ${endpoint} does not answer (${message}); check OMOI_S3_ENDPOINT and the network, it is tried again`;
  }
}
