import { z } from "zod";

const token = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, "must be 1–4 096 visible ASCII characters without spaces");

/** What a private upstream is shown to be let in; answered to nobody. */
export const credentialInput = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("https_token"),
      /** Most hosts do not look at it where the password is a token. */
      username: z
        .string()
        .regex(/^[^\u0000-\u001f\u007f]{1,255}$/, "must be 1–255 characters on one line")
        .optional(),
      token,
    }),
    z.strictObject({
      kind: z.literal("ssh_key"),
      /** Without it the server makes an Ed25519 key, and shows its public half. */
      private_key: z.string().min(1).max(16_384).optional(),
    }),
  ],
  'must have a kind: "https_token" or "ssh_key"',
);
export type CredentialInput = z.output<typeof credentialInput>;

/** A host's key to trust: `SHA256:…`, or a line as ssh-keyscan prints it. */
export const hostKeyInput = z.string().min(1).max(4096);
