/** A server that is killed at each effect of its scheduled backup. */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { commitFiles } from "../support/fixtures/factories.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";

vi.setConfig({ testTimeout: 1_800_000 });

const killer = ["--import", "./test/support/crash/kill-at-effect.mjs"];
let root: string;
let server: RestartableServer;
const env = (): Record<string, string> => ({
  OMOI_SANDBOX: "off",
  OMOI_BACKUP_REPOSITORY: join(root, "repository"),
  OMOI_BACKUP_KEY: "a key for these tests, long enough",
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "omoi-backup-crash-"));
  server = new RestartableServer(env(), killer);
  await server.open();
  await server.createProject();
  const workspace = await server.createWorkspace();
  await commitFiles(server, workspace, { "a.txt": "a\n" });
  await server.stop();
});
afterAll(async () => {
  await server.close();
  await removeDataFolder(root);
});

const admin = (...args: string[]) =>
  omoi({ ...env(), OMOI_DATA_DIR: server.dataDir }, "admin", ...args);
const names = async (): Promise<string[]> => {
  if (!existsSync(join(root, "repository/repository.json"))) return [];
  const listed = await admin("backups", "--json");
  expect(listed).toMatchObject({ code: 0, err: "" });
  return (JSON.parse(listed.out) as { name: string }[]).map(({ name }) => name);
};
const countEvents = async (): Promise<number> =>
  (
    await server.query(
      "select from installation_events where action = 'backup.created' and target is not null",
    )
  ).length;

test("a killed server leaves no half backup, and the next start makes the due one, once", async () => {
  // Midnight has passed before the first start.
  const due = { OMOI_BACKUP_SCHEDULE: "00:00", KILL_FROM: "tar" };
  let kills = 0;
  for (let effect = 1; ; effect += 1) {
    const kill = { KILL_AT: String(effect), KILL_WHEN: effect % 2 === 0 ? "after" : "before" };
    await server.start({ ...due, ...kill });
    const done = expect
      .poll(async () => (await countEvents().catch(() => 0)) > 0, { timeout: 120_000 })
      .toBe(true)
      .then(() => "made" as const);
    const outcome = await Promise.race([done, server.ended.then(() => "ended" as const)]);
    if (outcome === "made") break;
    done.catch(() => undefined);
    expect(await server.ended).toMatchObject({ signal: "SIGKILL" });
    kills += 1;
    // Any backup that is listed is whole.
    if ((await names()).length > 0) {
      expect(await admin("backups", "--verify")).toMatchObject({ code: 0, err: "" });
    }
  }
  expect(kills).toBeGreaterThan(3);
  const made = await names();
  expect(made).toHaveLength(1);
  expect(await countEvents()).toBe(1);
  expect((await admin("backups", "--verify")).out).toBe(`Intact: ${made[0]}.\n`);
  server.signal("SIGTERM");
  await server.ended;

  // The next start has nothing to do. The next backup removes the rests of killed ones, and the earlier one of its day.
  await server.start(due);
  expect(await admin("backup")).toMatchObject({ code: 0, err: "" });
  expect(await countEvents()).toBe(2);
  await server.stop();
  const files = await readdir(join(root, "repository"), { recursive: true });
  expect(files.filter((file) => file.includes(".partial-"))).toEqual([]);

  const target = join(root, "restored");
  const restored = { ...env(), OMOI_DATA_DIR: target };
  expect(await omoi(restored, "admin", "restore", "latest")).toMatchObject({
    code: 0,
    err: "",
  });
  expect((await omoi(restored, "admin", "verify")).out).toMatch(/^Intact: /);
});

test("a backup that fails is an error in the log, and the server serves", async () => {
  const file = join(root, "file");
  await writeFile(file, "");
  const schedule = { OMOI_BACKUP_SCHEDULE: "00:00", OMOI_BACKUP_REPOSITORY: join(file, "below") };
  const before = await countEventsAfter(schedule);
  await expect
    .poll(() => server.stderr)
    .toMatch(/"level":50.*is not writable.*"the scheduled backup failed; it is tried again/);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(await countEvents()).toBe(before);
});

/** Starts the server and returns the number of backups that its log has. */
async function countEventsAfter(settings: Record<string, string>): Promise<number> {
  await server.start(settings);
  return countEvents();
}
