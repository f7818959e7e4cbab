import { createHash, randomBytes, randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigError } from "#shared/node/config-error.js";
import { folderPlace, type BackupPlace } from "../backup-place.js";
import { textStream } from "../format.js";
import { beginBackup, sourceOf } from "./backup-files.js";
import { openOwnRepository, openRepository, type BackupRepository } from "./repository.js";
import { verifyBackups } from "./verify-backups.js";

const owner = randomUUID();
const node = { id: randomUUID(), name: "one" };
const key = "a key for these tests, long enough";
const noLock = async (): Promise<void> => {};

let folder: string;
let place: BackupPlace;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-repository-"));
  place = folderPlace(folder);
});
afterEach(() => rm(folder, { recursive: true }));

async function backUp(
  repository: BackupRepository,
  files: Record<string, Buffer>,
  created_at = "2026-11-30T02:00:00.000Z",
) {
  const target = await beginBackup(repository, new AbortController().signal);
  for (const [name, content] of Object.entries(files))
    await target.write(name, textStream(content));
  return target.commit({ created_at, node }, noLock);
}

async function restore(
  repository: BackupRepository,
  name: string,
): Promise<Record<string, Buffer>> {
  const source = await sourceOf(repository, name);
  const files: Record<string, Buffer> = {};
  for (const file of await source.list()) files[file] = await buffer(source.read(file));
  return files;
}

/** Comparing long buffers takes long. */
const sumsOf = (files: Record<string, Buffer>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      name,
      createHash("sha256").update(content).digest("hex"),
    ]),
  );

const listFiles = async (): Promise<string[]> => {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
};

const sample = (): Record<string, Buffer> => ({
  "manifest.json": Buffer.from("{}"),
  SHA256SUMS: Buffer.from("sums"),
  "objects/a.tar": randomBytes(3_000_000),
  "logs/b.tar": Buffer.from("a line that is easy to find\n".repeat(60_000)),
  empty: Buffer.of(),
});

test.for([[null], [key]])(
  "a backup is restored as it was written (key: %s)",
  async ([secret = null]) => {
    const repository = await openOwnRepository(place, secret, owner, false);
    const files = sample();
    const { name, bytes, new_bytes } = await backUp(repository, files);
    expect(name).toBe(`20261130T020000.000Z-${node.id.slice(0, 8)}`);
    expect(sumsOf(await restore(repository, name))).toEqual(sumsOf(files));
    expect(bytes).toBe(Object.values(files).reduce((sum, { length }) => sum + length, 0));
    // The log is compressed.
    expect(new_bytes).toBeLessThan(3_100_000);
    const stored = Buffer.concat(
      await Promise.all((await listFiles()).map((file) => readFile(file))),
    );
    // Objects of git are stored as they are, or encrypted.
    const isReadable = stored.includes(files["objects/a.tar"]?.subarray(0, 100) ?? "");
    expect(isReadable).toBe(secret === null);
  },
);

test("a second backup costs what has changed", async () => {
  const repository = await openOwnRepository(place, key, owner, false);
  const files = sample();
  await backUp(repository, files);
  const same = await backUp(repository, files, "2026-11-30T03:00:00.000Z");
  expect(same.new_bytes).toBe(0);
  const more = { ...files, "logs/c.tar": randomBytes(10_000) };
  const changed = await backUp(repository, more, "2026-11-30T04:00:00.000Z");
  expect(changed.new_bytes).toBeGreaterThan(10_000);
  expect(changed.new_bytes).toBeLessThan(11_000);
  expect((await repository.list()).length).toBe(3);
});

test("no file under the hash of its content tells anything without the key", async () => {
  const names = async (secret: string | null, at: string): Promise<string[]> => {
    const other = folderPlace(join(folder, at));
    const repository = await openOwnRepository(other, secret, owner, false);
    await backUp(repository, { a: Buffer.from("known content") });
    return other.list("chunks/");
  };
  const [plain, one, same] = [await names(null, "1"), await names(key, "2"), await names(key, "3")];
  expect(one).toEqual(same);
  expect(one).not.toEqual(plain);
});

test.for([[null], [key]])(
  "each changed byte is refused in one line (key: %s)",
  async ([secret = null]) => {
    const repository = await openOwnRepository(place, secret, owner, false);
    const files = sample();
    const { name } = await backUp(repository, files);
    expect(await verifyBackups(repository, [name], () => {})).toEqual([{ name, fault: null }]);
    for (const path of await listFiles()) {
      const content = await readFile(path);
      const size = (await stat(path)).size;
      for (const at of [0, Math.floor(size / 2), size - 1]) {
        const changed = Buffer.from(content);
        changed[at] = (changed[at] as number) ^ 1;
        await writeFile(path, changed);
        if (path.includes("/verified/")) continue;
        const outcome = openRepository(place, secret).then(async (opened) => {
          const [result] = await verifyBackups(opened, [name], () => {});
          const restored = restore(opened, name);
          await expect(restored).rejects.toThrow(result?.fault ?? "no fault");
          return restored;
        });
        // White space of repository.json, and its owner, are not part of a backup.
        const isHead = path.endsWith("repository.json");
        const error = await outcome.then(
          () => null,
          (reason: unknown) => reason as Error,
        );
        if (isHead && error === null) continue;
        expect([path, at, error]).toEqual([path, at, expect.any(isHead ? Error : ConfigError)]);
        expect(error?.message.split("\n")).toHaveLength(1);
        if (!isHead) {
          expect(error?.message).toContain("is missing or damaged; use another backup, or restore");
        }
      }
      await writeFile(path, content);
    }
    const [chunk] = await place.list("chunks/");
    await place.remove(String(chunk));
    const [missing] = await verifyBackups(repository, [name], () => {});
    expect(missing?.fault).toContain(`${chunk} is missing or damaged`);
  },
);

test("a chunk under the name of another one is refused", async () => {
  const repository = await openOwnRepository(place, key, owner, false);
  const { name } = await backUp(repository, { a: randomBytes(100), b: randomBytes(100) });
  const [one = "", other = ""] = await place.list("chunks/");
  await cp(join(folder, one), join(folder, other));
  await expect(restore(repository, name)).rejects.toThrow("is missing or damaged");
});

test("another key, a missing key and another installation are refused", async () => {
  const encrypted = await openOwnRepository(place, key, owner, false);
  const { name } = await backUp(encrypted, { a: Buffer.from("a") });
  await expect(openRepository(place, "another key, which is long enough")).rejects.toThrow(
    "OMOI_BACKUP_KEY is not the key of the backups in",
  );
  await expect(openRepository(place, null)).rejects.toThrow("set OMOI_BACKUP_KEY to their key");
  const another = randomUUID();
  await expect(openOwnRepository(place, key, another, false)).rejects.toThrow("--take-over");
  const taken = await openOwnRepository(place, key, another, true);
  expect(Object.keys(await restore(taken, name))).toEqual(["a"]);
  await expect(openOwnRepository(place, key, owner, false)).rejects.toThrow("--take-over");

  const plain = folderPlace(join(folder, "plain"));
  await expect(openRepository(plain, key)).rejects.toThrow("contains no backup repository");
  await openOwnRepository(plain, null, owner, false);
  await expect(openOwnRepository(plain, key, owner, false)).rejects.toThrow("are not encrypted");

  const used = join(folder, "used");
  await mkdir(used);
  await writeFile(join(used, "file"), "");
  await expect(openOwnRepository(folderPlace(used), key, owner, false)).rejects.toThrow(
    "is neither empty nor a backup repository",
  );
});

test("a backup whose lock was lost, or that failed, does not count", async () => {
  const repository = await openOwnRepository(place, key, owner, false);
  const target = await beginBackup(repository, new AbortController().signal);
  await target.write("a", textStream("a"));
  const lost = async (): Promise<void> => {
    throw new ConfigError("lost");
  };
  await expect(
    target.commit({ created_at: "2026-11-30T02:00:00.000Z", node }, lost),
  ).rejects.toThrow("lost");
  expect(await repository.list()).toEqual([]);
  const aborted = new AbortController();
  const stopped = await beginBackup(repository, aborted.signal);
  aborted.abort();
  await expect(stopped.write("b", textStream("b"))).rejects.toThrow("aborted");
});
