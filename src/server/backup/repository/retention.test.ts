import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keepPeriods, type Keep, type KeepPeriod } from "../../config/backup-settings.js";
import { rounds } from "#test/support/thorough.js";
import { folderPlace, type BackupPlace } from "../backup-place.js";
import { textStream } from "../format.js";
import { beginBackup, sourceOf } from "./backup-files.js";
import { openOwnRepository, parseBackupName, type BackupName } from "./repository.js";
import { prune, selectKept } from "./retention.js";

const hourMs = 3_600_000;
const start = Date.parse("2026-11-20T00:00:00.000Z");
const nodes = [randomUUID(), randomUUID()] as const;
const noLock = async (): Promise<void> => {};

const keeps: fc.Arbitrary<Keep> = fc
  .dictionary(fc.constantFrom(...keepPeriods), fc.integer({ min: 1, max: 4 }), { maxKeys: 4 })
  .map((keep) => keep as Keep);

function nameAt(hours: number, node: number): BackupName {
  const time = new Date(start + hours * hourMs).toISOString().replaceAll(/[-:]/g, "");
  const name = parseBackupName(`${time}-${nodes[node]?.slice(0, 8)}`);
  if (name === null) throw new Error("no name");
  return name;
}

/** The period of a time, by its calendar. */
function calendar({ name, createdAt: at }: BackupName, period: KeepPeriod): string {
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  const monday = day - ((at.getUTCDay() + 6) % 7);
  const of: Record<KeepPeriod, string> = {
    last: name,
    hourly: `${year} ${month} ${day} ${at.getUTCHours()}`,
    daily: `${year} ${month} ${day}`,
    weekly: new Date(Date.UTC(year, month, monday)).toISOString(),
    monthly: `${year} ${month}`,
    yearly: `${year}`,
  };
  return of[period];
}

/** Whether a backup is the newest of its period, and few enough later periods have one. */
function isKept(backup: BackupName, all: readonly BackupName[], keep: Keep): boolean {
  const later = all.filter(
    ({ node, createdAt }) => node === backup.node && createdAt > backup.createdAt,
  );
  if (later.length === 0) return true;
  return keepPeriods.some((period) => {
    const own = calendar(backup, period);
    const periods = new Set(later.map((item) => calendar(item, period)));
    return !periods.has(own) && periods.size < (keep[period] ?? 0);
  });
}

test("the newest backup of each period is kept, of each server on its own", () => {
  const backups = fc.uniqueArray(
    fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 1 })),
    { selector: String, maxLength: 60 },
  );
  fc.assert(
    fc.property(backups, keeps, (times, keep) => {
      const all = times.map(([hours, node]) => nameAt(hours, node));
      const expected = all.filter((item) => isKept(item, all, keep)).map(({ name }) => name);
      expect([...selectKept(all, keep)].toSorted()).toEqual(expected.toSorted());
    }),
    { numRuns: rounds({ thorough: 2000, else: 300 }) },
  );
});

class Killed extends Error {}

/** Fails at an operation that changes the place, before or after it, and at all later ones. */
function killedAt(place: BackupPlace, operation: number, isAfter: boolean): BackupPlace {
  let left = operation;
  const change = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    left -= 1;
    if (left > 0) return work();
    if (left === 0 && isAfter) await work();
    throw new Killed();
  };
  return {
    ...place,
    write: (name, content) => change(() => place.write(name, content)),
    remove: (name) => change(() => place.remove(name)),
  };
}

const step = fc.record({
  hours: fc.integer({ min: 1, max: 60 }),
  node: fc.integer({ min: 0, max: 1 }),
  files: fc.array(fc.integer({ min: 0, max: 11 }), { minLength: 1, maxLength: 5 }),
  action: fc.constantFrom("backup", "backup", "prune"),
  /** 0: not killed. */
  killAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 8 })),
  isAfter: fc.boolean(),
});

test("no kept backup loses a chunk, whenever backups and deletions are killed", async () => {
  const contents = Array.from({ length: 12 }, (_, index) => randomBytes(20 + index));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), keeps, async (steps, keep) => {
      const folder = await mkdtemp(join(tmpdir(), "omoi-retention-"));
      const place = folderPlace(folder);
      const owner = randomUUID();
      const open = (at: BackupPlace) => openOwnRepository(at, "a key ".repeat(8), owner, false);
      const made = new Map<string, Record<string, Buffer>>();
      let hours = 0;
      try {
        await open(place);
        for (const { node, files, action, killAt, isAfter, ...wait } of steps) {
          hours += wait.hours;
          const used = killAt === 0 ? place : killedAt(place, killAt, isAfter);
          const work = async (): Promise<void> => {
            const repository = await open(used);
            if (action === "prune") {
              const all = await repository.list();
              await prune(repository, keep, noLock);
              const left = (await repository.list()).map(({ name }) => name);
              expect(left).toEqual(
                all.filter((item) => isKept(item, all, keep)).map(({ name }) => name),
              );
              const needed = new Set<string>();
              for (const name of left) {
                const record = await repository.readRecord(name);
                for (const { chunks } of Object.values(record.files)) {
                  for (const id of chunks) needed.add(`chunks/${id.slice(0, 2)}/${id}`);
                }
              }
              if (left.length === 0) return;
              expect(await place.list("chunks/")).toEqual([...needed].toSorted());
              return;
            }
            const id = nodes[node] as string;
            const created_at = new Date(start + hours * hourMs).toISOString();
            const content = Object.fromEntries(
              files.map((index, at) => [`logs/${at}`, contents[index] as Buffer]),
            );
            made.set(nameAt(hours, node).name, content);
            const target = await beginBackup(repository, new AbortController().signal);
            for (const [name, bytes] of Object.entries(content)) {
              await target.write(name, textStream(bytes));
            }
            await target.commit({ created_at, node: { id, name: "one" } }, noLock);
          };
          await work().catch((error: unknown) => {
            if (!(error instanceof Killed)) throw error;
          });
          const repository = await open(place);
          for (const { name } of await repository.list()) {
            const source = await sourceOf(repository, name);
            const found: Record<string, Buffer> = {};
            for (const file of await source.list()) found[file] = await buffer(source.read(file));
            expect(found).toEqual(made.get(name));
          }
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    }),
    { numRuns: rounds({ thorough: 200, else: 5 }) },
  );
}, 600_000);
