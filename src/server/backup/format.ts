/**
 * The layout of a backup folder:
 *
 * manifest.json time, version and contents
 * database/ one file per table, in COPY format, compressed
 * refs.tar branches and tags of all repositories, at the time of the database snapshot
 * objects/ORG/PROJECT.loose.tar, .packs.tar
 * folders/ORG/AGENT.tar, layers/ORG/PROJECT/LAYER.tar
 * logs/ORG/PROJECT.tar
 * secret a copy of the data folder's secret
 * SHA256SUMS checksums of all files above; written last
 *
 * Paths in archives are relative to the data folder.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { ConfigError } from "#shared/node/config-error.js";

const manifestShape = z.object({
  format: z.literal(1),
  created_at: z.iso.datetime(),
  /** The node whose data folder it contains. */
  node_id: z.uuid(),
  /** Names of the applied migrations, in order. */
  migrations: z.array(z.string()),
  /** Row counts by table. */
  tables: z.record(z.string(), z.number()),
  /** Whether the archives contain owners and attributes that only root can restore. */
  needs_root: z.boolean(),
  /** Ids of agents whose workspaces were archived or removed while the backup was being made. */
  folders_gone: z.array(z.string()),
});
export type Manifest = z.infer<typeof manifestShape>;

export const sumsName = "SHA256SUMS";
export const manifestName = "manifest.json";
export const refsName = "refs.tar";
export const secretName = "secret";
/** @param table schema and name */
export const tableFile = (table: string): string => `database/${table}.gz`;

/** Writes the files of one backup and collects their checksums. */
export class BackupWriter {
  readonly folder: string;
  readonly #sums = new Map<string, string>();

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Writes a file, replacing one of the same name. */
  async write(name: string, content: Readable | string): Promise<void> {
    const path = join(this.folder, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const hash = createHash("sha256");
    if (typeof content === "string") {
      hash.update(content);
      await writeFile(path, content, { mode: 0o600, flush: true });
    } else {
      await pipeline(content, hashing(hash), createWriteStream(path, { mode: 0o600, flush: true }));
    }
    this.#sums.set(name, hash.digest("hex"));
  }

  /** Writes the manifest and the checksums, which completes the backup. */
  async finish(manifest: Manifest): Promise<void> {
    await this.write(manifestName, `${JSON.stringify(manifest, null, 2)}\n`);
    const names = [...this.#sums.keys()].toSorted();
    const lines = names.map((name) => `${this.#sums.get(name)}  ${name}\n`);
    await writeFile(join(this.folder, sumsName), lines.join(""), { mode: 0o600, flush: true });
  }
}

function hashing(hash: Hash): Transform {
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      done(null, piece);
    },
  });
}

/**
 * Verifies the checksums of a backup and returns its manifest.
 * @throws ConfigError naming the faulty file
 */
export async function readBackup(folder: string): Promise<Manifest> {
  const sums = await readFile(join(folder, sumsName), "utf8").catch(() => null);
  if (sums === null) {
    throw new ConfigError(
      `${folder} is not a complete backup (${sumsName} is missing); use another folder`,
    );
  }
  const expected = new Map<string, string>();
  for (const line of sums.split("\n").filter(Boolean)) {
    const [, sum, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (sum !== undefined && name !== undefined) expected.set(name, sum);
  }
  for (const name of await filesBelow(folder)) {
    if (name !== sumsName && !expected.has(name)) {
      throw new ConfigError(`${join(folder, name)} is not part of the backup; remove it`);
    }
  }
  for (const [name, sum] of expected) {
    if ((await sumOf(join(folder, name))) === sum) continue;
    throw new ConfigError(
      `${join(folder, name)} is missing or damaged; use another copy of the backup`,
    );
  }
  const text = await readFile(join(folder, manifestName), "utf8").catch(() => "null");
  const { success, data } = manifestShape.safeParse(JSON.parse(text));
  if (!success) {
    throw new ConfigError(`${folder} was written by another version; restore it with that version`);
  }
  return data;
}

/** Returns the names of the backup's files below `prefix`, relative to the backup. */
export async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const entries = await readdir(join(folder, prefix), {
    withFileTypes: true,
    recursive: true,
  }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

async function sumOf(path: string): Promise<string | null> {
  const hash = createHash("sha256");
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  } catch {
    return null;
  }
  return hash.digest("hex");
}
