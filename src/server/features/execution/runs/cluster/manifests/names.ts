import { createHash } from "node:crypto";
import type { V1Job, V1OwnerReference } from "@kubernetes/client-node";

/** Labels of the objects of a run. */
export const LABELS = {
  managedBy: "app.kubernetes.io/managed-by",
  installation: "omoi.dev/installation",
  run: "omoi.dev/run",
  agent: "omoi.dev/agent",
  project: "omoi.dev/project",
  organization: "omoi.dev/organization",
  /** For further policies of operators. */
  network: "omoi.dev/network",
} as const;

/**
 * Annotation of a Job with its random number, from which the names of its Secret and NetworkPolicy and its token are
 * made. An object that exists with such a name was made for exactly this Job.
 */
export const NONCE = "omoi.dev/nonce";

export const jobName = (runId: string): string => `omoi-run-${runId}`;

/** The name of the Secret and the NetworkPolicy of a Job. */
export function ownedName(runId: string, nonce: string): string {
  const digest = createHash("sha256").update(nonce).digest("hex").slice(0, 12);
  return `${jobName(runId)}-${digest}`;
}

/** Selects the objects of an installation, and no others. */
export const selectorOf = (installation: string): string =>
  `${LABELS.managedBy}=omoi,${LABELS.installation}=${installation}`;

/** An object with it is deleted after the Job. Its deletion is not waited for, which would need further rights. */
export const ownerOf = ({ metadata }: V1Job): V1OwnerReference => ({
  apiVersion: "batch/v1",
  kind: "Job",
  name: metadata?.name ?? "",
  uid: metadata?.uid ?? "",
  controller: false,
  blockOwnerDeletion: false,
});
