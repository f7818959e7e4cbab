/** SSH keys: key pairs of the server and host keys. */
import { createHash } from "node:crypto";
import ssh2 from "ssh2";

/** A key pair: the private key in OpenSSH format, the public key as one line. */
export interface SshKeyPair {
  privateKey: string;
  /** `ssh-ed25519 AAAA…`, followed by a comment if given. */
  publicKey: string;
  /** `SHA256:…`, as `ssh-keygen -l` shows it. */
  fingerprint: string;
}

/** Generates an Ed25519 key pair. */
export function generateSshKey(comment: string): SshKeyPair {
  for (;;) {
    const made = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    // The library strips leading zeros of the public key, which breaks one pair in 256.
    if (ssh2.utils.parseKey(made.private) instanceof Error) continue;
    const publicKey = made.public.trim();
    return { privateKey: made.private, publicKey, fingerprint: fingerprintOf(publicKey) ?? "" };
  }
}

/**
 * Parses a private key in any common format (OpenSSH, PEM). Returns the pair, or the problem as the
 * predicate of a sentence.
 */
export function readPrivateKey(text: string): SshKeyPair | string {
  const parsed = ssh2.utils.parseKey(`${text.replaceAll("\r\n", "\n").trim()}\n`);
  if (parsed instanceof Error) {
    return /passphrase|encrypted/i.test(parsed.message)
      ? "is protected by a passphrase; enter a key without one, or let the server generate one"
      : "is not a readable private key; enter one in the format of ssh-keygen";
  }
  if (!parsed.isPrivateKey()) return "is a public key; enter the private key";
  if (!/^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521))$/.test(parsed.type)) {
    return "is of an outdated type; enter an Ed25519 key";
  }
  const publicKey = `${parsed.type} ${parsed.getPublicSSH().toString("base64")}`;
  const privateKey = `${text.replaceAll("\r\n", "\n").trim()}\n`;
  return { privateKey, publicKey, fingerprint: fingerprintOf(publicKey) ?? "" };
}

/** Returns the type of a key in wire format (RFC 4253, section 6.6). */
export function keyTypeOf(blob: Buffer): string {
  return blob.length < 4 ? "" : blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1");
}

/** Formats a host key in wire format as a line: `ssh-ed25519 AAAA…`. */
export function hostKeyLine(blob: Buffer): string {
  return `${keyTypeOf(blob)} ${blob.toString("base64")}`;
}

const LINE = /(?:^|\s)(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) ([A-Za-z0-9+/]+={0,2})(?=\s|$)/;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

/**
 * Parses a host key: a fingerprint, or a line of `ssh-keyscan` or `known_hosts`, reduced to the
 * key. Null for anything else.
 */
export function readHostKey(text: string): string | null {
  const given = text.trim().replace(/=+$/, (end) => (text.trim().startsWith("SHA256:") ? "" : end));
  if (FINGERPRINT.test(given)) return given;
  const [, type = "", base64 = ""] = LINE.exec(given) ?? [];
  const blob = Buffer.from(base64, "base64");
  return type !== "" && keyTypeOf(blob) === type ? hostKeyLine(blob) : null;
}

/** Returns the fingerprint of a key line, or the fingerprint itself; null for anything else. */
export function fingerprintOf(key: string): string | null {
  if (FINGERPRINT.test(key)) return key;
  const base64 = LINE.exec(key)?.[2];
  if (base64 === undefined) return null;
  const hash = createHash("sha256").update(Buffer.from(base64, "base64")).digest("base64");
  return `SHA256:${hash.replace(/=+$/, "")}`;
}
