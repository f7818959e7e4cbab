/** Keys of SSH: those that the server makes or is given, and those that hosts show. */
import { createHash } from "node:crypto";
import ssh2 from "ssh2";

/** A key pair: the private half as OpenSSH writes it, the public one as a line to give away. */
export interface SshKeyPair {
  privateKey: string;
  /** `ssh-ed25519 AAAA…`, with a comment behind it where one was given. */
  publicKey: string;
  /** `SHA256:…`, as `ssh-keygen -l` shows it. */
  fingerprint: string;
}

/** Makes an Ed25519 key pair. */
export function generateSshKey(comment: string): SshKeyPair {
  for (;;) {
    const made = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    // The library cuts zeros off the front of a public key, so one pair in 256 is none.
    if (ssh2.utils.parseKey(made.private) instanceof Error) continue;
    const publicKey = made.public.trim();
    return { privateKey: made.private, publicKey, fingerprint: fingerprintOf(publicKey) ?? "" };
  }
}

/**
 * Reads a private key of any usual form (OpenSSH, PEM). Answers the pair, or in half a sentence what
 * is wrong with it.
 */
export function readPrivateKey(text: string): SshKeyPair | string {
  const parsed = ssh2.utils.parseKey(`${text.replaceAll("\r\n", "\n").trim()}\n`);
  if (parsed instanceof Error) {
    return /passphrase|encrypted/i.test(parsed.message)
      ? "is protected by a passphrase; give a key without one, or let the server make one"
      : "is no private key that can be read; give one as ssh-keygen writes it";
  }
  if (!parsed.isPrivateKey()) return "is a public key; give the private one";
  if (!/^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521))$/.test(parsed.type)) {
    return "is of a kind that is not used any more; give an Ed25519 key";
  }
  const publicKey = `${parsed.type} ${parsed.getPublicSSH().toString("base64")}`;
  const privateKey = `${text.replaceAll("\r\n", "\n").trim()}\n`;
  return { privateKey, publicKey, fingerprint: fingerprintOf(publicKey) ?? "" };
}

/** The kind of a key in wire form (RFC 4253, section 6.6). */
export function keyTypeOf(blob: Buffer): string {
  return blob.length < 4 ? "" : blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1");
}

/** A host's key in wire form as a line: `ssh-ed25519 AAAA…`. */
export function hostKeyLine(blob: Buffer): string {
  return `${keyTypeOf(blob)} ${blob.toString("base64")}`;
}

const LINE = /(?:^|\s)(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) ([A-Za-z0-9+/]+={0,2})(?=\s|$)/;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

/**
 * A host key as a person gives it: a fingerprint, or a line as `ssh-keyscan` or a `known_hosts` file has
 * it, of which the key is taken. Null where it is neither.
 */
export function readHostKey(text: string): string | null {
  const given = text.trim().replace(/=+$/, (end) => (text.trim().startsWith("SHA256:") ? "" : end));
  if (FINGERPRINT.test(given)) return given;
  const [, type = "", base64 = ""] = LINE.exec(given) ?? [];
  const blob = Buffer.from(base64, "base64");
  return type !== "" && keyTypeOf(blob) === type ? hostKeyLine(blob) : null;
}

/** The fingerprint of a key's line, or the fingerprint itself; null where it is neither. */
export function fingerprintOf(key: string): string | null {
  if (FINGERPRINT.test(key)) return key;
  const base64 = LINE.exec(key)?.[2];
  if (base64 === undefined) return null;
  const hash = createHash("sha256").update(Buffer.from(base64, "base64")).digest("base64");
  return `SHA256:${hash.replace(/=+$/, "")}`;
}
