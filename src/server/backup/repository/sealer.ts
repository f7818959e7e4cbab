/** The encoding of chunks and records: compressed, and encrypted or with a checksum. */
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import { decrypt, encrypt } from "../../encrypt.js";
import { GEAR_BYTES } from "./chunks.js";

export interface Sealer {
  /** Decides where chunks end: with a key, sizes of chunks tell nothing about known files. */
  readonly gear: Uint32Array;
  /** Returns the name of a chunk: a hash of its content, which only the holder of the key can compute. */
  idOf(content: Buffer): string;
  /** @param context the name under which it is stored; `open` needs the same */
  seal(context: string, content: Buffer, compress: boolean): Promise<Buffer>;
  /** Returns null if a byte was changed, or with another key or context. */
  open(context: string, sealed: Buffer): Promise<Buffer | null>;
}

const PURPOSE = "backup";
const SUM_BYTES = 32;
const plain = 0;
const deflated = 1;

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** @param key null: content has a checksum, and is not encrypted */
export function createSealer(key: string | null): Sealer {
  const derive = (use: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync("sha256", key ?? "", "", `omoi backup ${use}`, bytes));
  const idKey = derive("chunk ids", 32);
  const gear = new Uint32Array(Uint8Array.from(derive("chunk boundaries", GEAR_BYTES)).buffer);
  const sumOf = (context: string, content: Uint8Array): Buffer =>
    createHash("sha256").update(`${context}\0`).update(content).digest();
  const unseal = (context: string, sealed: Buffer): Buffer | null => {
    if (key !== null) return decrypt(key, PURPOSE, context, sealed);
    const content = sealed.subarray(SUM_BYTES);
    return sumOf(context, content).equals(sealed.subarray(0, SUM_BYTES)) ? content : null;
  };
  return {
    gear,
    idOf: (content) =>
      (key === null ? createHash("sha256") : createHmac("sha256", idKey))
        .update(content)
        .digest("hex"),
    seal: async (context, content, compress) => {
      const smaller = compress ? await deflate(content, { level: 1 }) : content;
      const isSmaller = smaller.length < content.length;
      const encoded = Buffer.concat([
        Buffer.of(isSmaller ? deflated : plain),
        isSmaller ? smaller : content,
      ]);
      if (key !== null) return encrypt(key, PURPOSE, context, encoded);
      return Buffer.concat([sumOf(context, encoded), encoded]);
    },
    open: async (context, sealed) => {
      const encoded = unseal(context, sealed);
      if (encoded === null || encoded.length === 0) return null;
      const content = encoded.subarray(1);
      return encoded[0] === plain ? content : inflate(content).catch(() => null);
    },
  };
}
