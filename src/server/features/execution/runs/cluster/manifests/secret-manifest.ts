import type { V1OwnerReference, V1Secret } from "@kubernetes/client-node";
import { ownedName } from "./names.js";
import { createHmac } from "node:crypto";
import { keyFrom } from "#shared/node/key-text.js";
import { runnerTokenPrefix } from "#shared/execution/runner/protocol.js";

/** Returns the Secret with the token of a run's Job. */
export function secretOf(
  runId: string,
  token: string,
  nonce: string,
  { labels, owner }: { labels: Record<string, string>; owner: V1OwnerReference },
): V1Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: ownedName(runId, nonce), labels, ownerReferences: [owner] },
    type: "Opaque",
    immutable: true,
    data: { token: Buffer.from(token).toString("base64") },
  };
}

/**
 * Returns the token of a Job. It is always the same for a Job, so that a step that was interrupted, or that two servers
 * take at once, can be repeated.
 */
export function jobToken(verificationKey: string, runId: string, nonce: string): string {
  const bits = createHmac("sha256", verificationKey)
    .update("omoi token of a job\n")
    .update(`${runId}\n${nonce}`)
    .digest();
  return keyFrom(runnerTokenPrefix, bits);
}
