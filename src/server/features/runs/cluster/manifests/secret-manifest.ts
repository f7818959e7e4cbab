import type { V1OwnerReference, V1Secret } from "@kubernetes/client-node";
import { ownedName } from "./names.js";

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
