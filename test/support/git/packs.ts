import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A repository for objects that git itself would not create, and packs of them. */
export interface ObjectBuilder {
  /** Stores an object of any content and returns its id. */
  object(type: "blob" | "tree" | "commit", content: string | Buffer): string;
  /** Stores a tree of entries such as `["100644", "a.txt", blob]`. */
  tree(entries: readonly (readonly [mode: string, name: string, oid: string])[]): string;
  commit(tree: string, parents?: readonly string[], author?: string): string;
  /** Builds a pack of exactly these objects. */
  pack(oids: readonly string[]): Buffer;
  dispose(): void;
}

export const zeroOid = "0".repeat(40);

export function openObjectBuilder(): ObjectBuilder {
  const folder = mkdtempSync(join(tmpdir(), "omoi-forge-"));
  const git = (args: string[], input: string | Buffer = ""): Buffer =>
    execFileSync("git", args, {
      cwd: folder,
      input,
      maxBuffer: 512 * 1024 * 1024,
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" },
    });
  git(["init", "--quiet", "--bare", folder]);
  const object: ObjectBuilder["object"] = (type, content) =>
    git(["hash-object", "-w", "--stdin", "--literally", "-t", type], content).toString().trim();
  return {
    object,
    tree: (entries) =>
      object(
        "tree",
        Buffer.concat(
          entries.map(([mode, name, oid]) =>
            Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, "hex")]),
          ),
        ),
      ),
    commit: (tree, parents = [], author = "A <a@example.com> 1700000000 +0000") =>
      object(
        "commit",
        [
          `tree ${tree}`,
          ...parents.map((parent) => `parent ${parent}`),
          `author ${author}`,
          `committer ${author}`,
          "",
          "forged\n",
        ].join("\n"),
      ),
    pack: (oids) =>
      git(["pack-objects", "--stdout", "--quiet"], oids.map((oid) => `${oid}\n`).join("")),
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const frame = (text: string): string => `${(text.length + 4).toString(16).padStart(4, "0")}${text}`;

/** Builds the body of a push as a client sends it. */
export function pushBody(
  commands: readonly (readonly [from: string, to: string, ref: string])[],
  pack: Buffer,
  capabilities = "report-status",
): Buffer {
  const lines = commands.map(([from, to, ref], index) =>
    frame(`${from} ${to} ${ref}${index === 0 ? `\0${capabilities}` : ""}`),
  );
  return Buffer.concat([Buffer.from(`${lines.join("")}0000`, "latin1"), pack]);
}

/**
 * Builds a pack with the base object as a delta against itself, for a pusher without access to the
 * base.
 */
export function deltaPack(base: string, size: number): Buffer {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
  // gitformat-pack(5): both sizes, then one copy of `size` bytes from offset 0.
  const delta = Buffer.from([...varint(size), ...varint(size), 0x90, size]);
  const header = Buffer.from([(7 << 4) | delta.length]);
  const body = Buffer.concat([
    Buffer.from("PACK"),
    Buffer.from([0, 0, 0, 2, 0, 0, 0, 1]),
    header,
    Buffer.from(base, "hex"),
    deflateSync(delta),
  ]);
  return Buffer.concat([body, createHash("sha1").update(body).digest()]);
}
