import { createHmac } from "node:crypto";
import { generateKey } from "#shared/node/key-text.js";
import { runnerTokenPrefix } from "#shared/runner/protocol.js";

/** Generates a token with about 178 bits of entropy and a checksum, in the format of API keys. */
export function generateRunnerToken(): string {
  return generateKey(runnerTokenPrefix);
}

/** Returns the stored form of a token: its HMAC-SHA-256 under the installation's verification key. */
export function hashRunnerToken(secret: string, token: string): Buffer {
  return createHmac("sha256", secret).update("omoi runner token\n").update(token).digest();
}
