import type {
  V1DeleteOptions,
  V1Job,
  V1NetworkPolicy,
  V1Pod,
  V1Secret,
} from "@kubernetes/client-node";

/** The calls of the server in its namespace of a cluster. Every call rejects with a `ClusterError`. */
export interface ClusterApi {
  /** The host of the API server. */
  readonly host: string;
  /** Lists Jobs, up to a limit. */
  listJobs(selector: string): Promise<Listed<V1Job>>;
  listPods(selector: string): Promise<Listed<V1Pod>>;
  createJob(job: V1Job): Promise<V1Job>;
  /** Lets a suspended Job start its pod. */
  resumeJob(name: string, uid: string): Promise<void>;
  /** Deletes a Job, and what it owns after it. One that is gone, or another one of the name, is left. */
  deleteJob(name: string, uid: string): Promise<void>;
  createSecret(secret: V1Secret): Promise<void>;
  createNetworkPolicy(policy: V1NetworkPolicy): Promise<void>;
}

export interface Listed<Item> {
  items: Item[];
  /** Whether the cluster has more items than were read. */
  isTruncated: boolean;
}

/** Why a call failed. */
export type ClusterErrorKind =
  /** No answer, or none that this API gives. */
  | "unreachable"
  /** It answers that it does not work, for this call. */
  | "broken"
  /** The credential is not accepted, or may not do this; also an exceeded quota. */
  | "forbidden"
  /** A policy of the cluster does not allow this object. */
  | "denied"
  | "exists"
  /** It, or a quota, was changed meanwhile. */
  | "conflict"
  | "not found"
  /** The object is refused as it is. */
  | "invalid";

export class ClusterError extends Error {
  override readonly name = "ClusterError";
  readonly kind: ClusterErrorKind;

  /** @param message a sentence */
  constructor(kind: ClusterErrorKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** Whether an error is of a kind. */
export const isClusterError = (error: unknown, ...kinds: ClusterErrorKind[]): boolean =>
  error instanceof ClusterError && kinds.includes(error.kind);

/** A deletion of exactly one object, of what it owns afterwards. */
export const deletionOf = (uid: string): V1DeleteOptions => ({
  propagationPolicy: "Background",
  preconditions: { uid },
});
