import { createHmac } from "node:crypto";
import { keyFrom } from "#shared/node/key-text.js";
import { runnerTokenPrefix } from "#shared/runner/protocol.js";

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
