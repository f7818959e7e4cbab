import { z } from "zod";

const token = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, "must be 1–4 096 visible ASCII characters without spaces");

/** Credentials for a private upstream; never returned. */
export const credentialInput = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("https_token"),
      /** Most hosts ignore it if the password is a token. */
      username: z
        .string()
        .regex(/^[^\u0000-\u001f\u007f]{1,255}$/, "must be 1–255 characters on one line")
        .optional(),
      token,
    }),
    z.strictObject({
      kind: z.literal("ssh_key"),
      /** Without it, the server generates an Ed25519 key and returns its public half. */
      private_key: z.string().min(1).max(16_384).optional(),
    }),
  ],
  'must have a kind: "https_token" or "ssh_key"',
);
export type CredentialInput = z.output<typeof credentialInput>;

/** A host key to trust: `SHA256:…`, or a line of ssh-keyscan. */
export const hostKeyInput = z.string().min(1).max(4096);
