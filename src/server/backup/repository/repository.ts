/**
 * A backup repository, in a folder or below a prefix of a bucket. Backups share the chunks of their files:
 *
 * repository.json format, owner, and a proof of the key
 * chunks/AB/ABCD… parts of files, each under the hash of its content
 * backups/NAME the record of a backup, which lists its files and their chunks; written last
 * verified/NAME the time of its last verification
 *
 * All but repository.json is encrypted if there is a key, and has a checksum otherwise. Chunks are written
 * atomically and never changed. Only `prune` deletes, while no backup is being made.
 */
import { z } from "zod";
import { ConfigError } from "#shared/node/config-error.js";
import { partial, type BackupPlace } from "../backup-place.js";
import { readText, textStream } from "../format.js";
import { createSealer, type Sealer } from "./sealer.js";

const repositoryShape = z.object({
  format: z.literal(1),
  /** The installation that writes: `installation.log_storage_id`, which a restored copy does not share. */
  owner: z.uuid(),
  /** An empty text, sealed with the key; null without one. */
  key_check: z.string().nullable(),
});

const recordShape = z.object({
  format: z.literal(1),
  created_at: z.iso.datetime(),
  node: z.object({ id: z.uuid(), name: z.string() }),
  files: z.record(z.string(), z.object({ bytes: z.int(), chunks: z.array(z.string()) })),
  /** Bytes that were written because no earlier backup had them. */
  new_bytes: z.int(),
});
export type BackupRecord = z.infer<typeof recordShape>;

/** The name of a backup, with its time and its server. */
export interface BackupName {
  readonly name: string;
  readonly createdAt: Date;
  /** The first digits of the id of its node. */
  readonly node: string;
}

export interface BackupRepository {
  readonly place: BackupPlace;
  readonly sealer: Sealer;
  /** Lists the complete backups, the oldest first. */
  list(): Promise<BackupName[]>;
  /** @throws DamageError */
  readRecord(name: string): Promise<BackupRecord>;
  writeRecord(record: BackupRecord): Promise<string>;
  /** @throws DamageError */
  readChunk(id: string): Promise<Buffer>;
  /** Returns the number of stored bytes. */
  writeChunk(id: string, content: Buffer, compress: boolean): Promise<number>;
  /** Returns the time of the last verification in ISO 8601; null without one. */
  verifiedAt(name: string): Promise<string | null>;
  setVerified(name: string, at: Date): Promise<void>;
}

/** A part of a backup is missing, or has other bytes than were written. */
export class DamageError extends ConfigError {}

const repositoryName = "repository.json";
const KEY_CHECK = "key check";
const backupName = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z-([0-9a-f]{8})$/;

export const chunkName = (id: string): string => `chunks/${id.slice(0, 2)}/${id}`;
export const recordName = (name: string): string => `backups/${name}`;
export const verifiedName = (name: string): string => `verified/${name}`;

/** Parses the name of a backup; null for other text. */
export function parseBackupName(name: string): BackupName | null {
  const [, year, month, day, hour, minute, second, node] = backupName.exec(name) ?? [];
  if (node === undefined) return null;
  const createdAt = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(createdAt.getTime()) ? null : { name, createdAt, node };
}

/** Returns the part of the names of a node's backups. */
export const nodePart = (nodeId: string): string => nodeId.slice(0, 8);

/**
 * Opens a backup repository for reading.
 * @throws ConfigError if there is none, or another key is needed
 */
export async function openRepository(
  place: BackupPlace,
  key: string | null,
): Promise<BackupRepository> {
  const sealer = createSealer(key);
  if ((await readHead(place, sealer, key)) !== null) return repositoryAt(place, sealer);
  throw new ConfigError(
    `${place.name} contains no backup repository; set OMOI_BACKUP_REPOSITORY to its place`,
  );
}

/**
 * Opens a backup repository for writing, and creates it in an empty place.
 * @param owner the id of the installation
 * @param takeOver whether the backup repository of another installation becomes one of this
 * @throws ConfigError if the place is used otherwise or by another installation, or another key is needed
 */
export async function openOwnRepository(
  place: BackupPlace,
  key: string | null,
  owner: string,
  takeOver: boolean,
): Promise<BackupRepository> {
  const sealer = createSealer(key);
  let head = await readHead(place, sealer, key);
  const isUsed = head === null && (await place.list()).some((name) => !name.includes(partial));
  // Another server of the installation may have created it meanwhile.
  if (isUsed) head = await readHead(place, sealer, key);
  if (head?.owner !== owner) {
    if (head !== null && !takeOver) {
      throw new ConfigError(
        `The backups in ${place.name} are of another installation; set OMOI_BACKUP_REPOSITORY to a new place, or if this installation replaces that one, run once: omoi admin backup --take-over`,
      );
    }
    if (head === null && isUsed) {
      throw new ConfigError(
        `${place.name} is neither empty nor a backup repository; set OMOI_BACKUP_REPOSITORY to an empty place`,
      );
    }
    const key_check =
      key === null ? null : (await sealer.seal(KEY_CHECK, Buffer.of(), false)).toString("base64");
    const text = JSON.stringify({ format: 1, owner, key_check }, null, 2);
    await place.write(repositoryName, textStream(`${text}\n`));
  }
  return repositoryAt(place, sealer);
}

async function readHead(
  place: BackupPlace,
  sealer: Sealer,
  key: string | null,
): Promise<{ owner: string } | null> {
  const text = await readText(place, repositoryName);
  if (text === null) return null;
  const head = repositoryShape.safeParse(parseJson(text)).data;
  if (head === undefined) {
    throw new ConfigError(
      `${place.name}/${repositoryName} is damaged or of another version; restore that file from a copy, or use that version`,
    );
  }
  const { owner, key_check: check } = head;
  if (check === null && key !== null) {
    throw new ConfigError(
      `The backups in ${place.name} are not encrypted; remove OMOI_BACKUP_KEY, or set OMOI_BACKUP_REPOSITORY to a new place`,
    );
  }
  if (check !== null && key === null) {
    throw new ConfigError(
      `The backups in ${place.name} are encrypted; set OMOI_BACKUP_KEY to their key`,
    );
  }
  if (check !== null && (await sealer.open(KEY_CHECK, Buffer.from(check, "base64"))) === null) {
    throw new ConfigError(
      `OMOI_BACKUP_KEY is not the key of the backups in ${place.name}; set it to their key`,
    );
  }
  return { owner };
}

function repositoryAt(place: BackupPlace, sealer: Sealer): BackupRepository {
  const readSealed = async (name: string): Promise<Buffer | null> => {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of place.read(name)) pieces.push(piece as Buffer);
    } catch (error) {
      if (place.isAbsent(error)) return null;
      throw error;
    }
    return sealer.open(name, Buffer.concat(pieces));
  };
  const writeSealed = async (name: string, content: Buffer, compress: boolean): Promise<number> => {
    const sealed = await sealer.seal(name, content, compress);
    await place.write(name, textStream(sealed));
    return sealed.length;
  };
  const damaged = (name: string): DamageError =>
    new DamageError(
      `${place.name}/${name} is missing or damaged; use another backup, or restore that file from a copy`,
    );
  return {
    place,
    sealer,
    list: async () => {
      const names = (await place.list(recordName(""))).map((name) =>
        parseBackupName(name.slice(recordName("").length)),
      );
      return names
        .filter((name) => name !== null)
        .toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
    },
    readRecord: async (name) => {
      const text = await readSealed(recordName(name));
      const record = text && recordShape.safeParse(parseJson(text.toString("utf8"))).data;
      if (!record) throw damaged(recordName(name));
      return record;
    },
    writeRecord: async (record) => {
      const time = record.created_at.replaceAll(/[-:]/g, "");
      const name = `${time}-${nodePart(record.node.id)}`;
      await writeSealed(recordName(name), Buffer.from(JSON.stringify(record)), true);
      return name;
    },
    readChunk: async (id) => {
      const content = await readSealed(chunkName(id));
      if (content === null || sealer.idOf(content) !== id) throw damaged(chunkName(id));
      return content;
    },
    writeChunk: (id, content, compress) => writeSealed(chunkName(id), content, compress),
    verifiedAt: async (name) => (await readSealed(verifiedName(name)))?.toString("utf8") ?? null,
    setVerified: async (name, at) => {
      await writeSealed(verifiedName(name), Buffer.from(at.toISOString()), false);
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
