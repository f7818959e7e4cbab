/**
 * The layout of a backup, in a folder or below a prefix of a bucket:
 *
 * manifest.json time, version and contents
 * database/ one file per table, in COPY format; compressed, unless the place compresses
 * refs.tar branches and tags of all repositories, at the time of the database snapshot
 * objects/ORG/PROJECT.loose.tar, .packs.tar
 * folders/ORG/AGENT.tar, layers/ORG/PROJECT/LAYER.tar
 * logs/ORG/PROJECT.tar, .stored.tar (those that were in the object storage)
 * secret a copy of the data folder's secret
 * SHA256SUMS checksums of all files above; written last
 *
 * Paths in archives are relative to the data folder.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { z } from "zod";
import { ConfigError } from "#shared/node/config-error.js";
import type { BackupSource, BackupTarget } from "./backup-place.js";

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
/**
 * @param table schema and name
 * @param place one that compresses its content has tables as they are
 */
export const tableFile = (table: string, place: { compresses: boolean }): string =>
  `database/${table}${place.compresses ? "" : ".gz"}`;

/** Writes the files of one backup and collects their checksums. */
export class BackupWriter {
  readonly #place: BackupTarget;
  readonly #sums = new Map<string, string>();
  readonly compresses: boolean;

  constructor(place: BackupTarget) {
    this.#place = place;
    this.compresses = place.compresses;
  }

  /** Writes a file, replacing one of the same name. */
  async write(name: string, content: Readable | string): Promise<void> {
    const stream = typeof content === "string" ? textStream(content) : content;
    this.#sums.set(name, await this.#place.write(name, stream));
  }

  /** Writes the manifest and the checksums, which completes the backup. */
  async finish(manifest: Manifest): Promise<void> {
    await this.write(manifestName, `${JSON.stringify(manifest, null, 2)}\n`);
    const names = [...this.#sums.keys()].toSorted();
    const lines = names.map((name) => `${this.#sums.get(name)}  ${name}\n`);
    await this.#place.write(sumsName, textStream(lines.join("")));
  }
}

/** Returns a stream of one piece. */
export function textStream(content: string | Buffer): Readable {
  return Readable.from([Buffer.from(content)]);
}

/**
 * Verifies the checksums of a backup and returns its manifest.
 * @throws ConfigError naming the faulty file
 */
export async function readBackup(place: BackupSource): Promise<Manifest> {
  return (await readBackupFiles(place)).manifest;
}

/**
 * Verifies the checksums of a backup and returns its manifest, and the sizes of its files by name.
 * @throws ConfigError naming the faulty file
 */
export async function readBackupFiles(
  place: BackupSource,
): Promise<{ manifest: Manifest; sizes: ReadonlyMap<string, number> }> {
  const sums = await readText(place, sumsName);
  if (sums === null) {
    throw new ConfigError(
      `${place.name} is not a complete backup (${sumsName} is missing); use another one`,
    );
  }
  const expected = new Map<string, string>();
  for (const line of sums.split("\n").filter(Boolean)) {
    const [, sum, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (sum !== undefined && name !== undefined) expected.set(name, sum);
  }
  for (const name of await place.list()) {
    if (name !== sumsName && !expected.has(name)) {
      throw new ConfigError(`${place.name}/${name} is not part of the backup; remove it`);
    }
  }
  const sizes = new Map<string, number>();
  for (const [name, sum] of expected) {
    const found = await sumOf(place, name);
    sizes.set(name, found?.bytes ?? 0);
    if (found?.sum === sum) continue;
    throw new ConfigError(
      `${place.name}/${name} is missing or damaged; use another copy of the backup`,
    );
  }
  const text = (await readText(place, manifestName)) ?? "null";
  const { success, data } = manifestShape.safeParse(JSON.parse(text));
  if (!success) {
    throw new ConfigError(
      `${place.name} was written by another version; restore it with that version`,
    );
  }
  return { manifest: data, sizes };
}

/** Whether a backup is complete: its checksums are written last. */
export async function isComplete(place: BackupSource): Promise<boolean> {
  return (await readText(place, sumsName)) !== null;
}

/** Reads a short file; null without it. */
export async function readText(place: BackupSource, name: string): Promise<string | null> {
  let text = "";
  try {
    for await (const piece of place.read(name).setEncoding("utf8")) text += piece;
  } catch (error) {
    if (place.isAbsent(error)) return null;
    throw error;
  }
  return text;
}

/**
 * Returns the checksum and size of a file; null if it cannot be read.
 * @throws ConfigError during an outage of the object storage
 */
async function sumOf(
  place: BackupSource,
  name: string,
): Promise<{ sum: string; bytes: number } | null> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const piece of place.read(name)) {
      hash.update(piece as Buffer);
      bytes += (piece as Buffer).length;
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return null;
  }
  return { sum: hash.digest("hex"), bytes };
}
