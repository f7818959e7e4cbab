import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { z } from "zod";

/** Signs claims of requests between nodes. */
export interface Signature<Claim> {
  sign(claim: Claim, method: string, url: string): string;
  /** @returns null unless a node of the cluster signed it for this method and URL */
  verify(header: string, method: string, url: string): Claim | null;
}

/**
 * Signs by a key that all nodes have.
 * @param purpose makes the key, so that a signature for one purpose is of no use for another
 */
export function signatureOf<Schema extends z.ZodType>(
  clusterSecret: string,
  purpose: string,
  claim: Schema,
): Signature<z.output<Schema>> {
  const key = Buffer.from(hkdfSync("sha256", clusterSecret, "", purpose, 32));
  const mac = (text: string, method: string, url: string): Buffer =>
    createHmac("sha256", key).update(`${text}\n${method}\n${url}`).digest();
  return {
    sign: (facts, method, url) => {
      const text = Buffer.from(JSON.stringify(facts)).toString("base64url");
      return `${text}.${mac(text, method, url).toString("base64url")}`;
    },
    verify: (header, method, url) => {
      const [text = "", signature = ""] = header.split(".");
      const given = Buffer.from(signature, "base64url");
      const expected = mac(text, method, url);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
      return claim.parse(JSON.parse(Buffer.from(text, "base64url").toString("utf8")));
    },
  };
}
