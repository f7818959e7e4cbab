/** Other users of the machine cannot read the data folder. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { chmod, lstat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  startServerUnderAttack,
  type ServerUnderAttack,
} from "../support/server/server-under-attack.js";
import { makeOrganization, makeProjectWith, makeWorkspace } from "../support/fixtures/factories.js";
import { waitForRunEnd } from "../support/fixtures/runs.js";
import { startServer } from "../support/server/server-process.js";

const isRoot = process.getuid?.() === 0;
const openBits = async (path: string): Promise<number> => (await lstat(path)).mode & 0o077;

let server: ServerUnderAttack;
beforeAll(async () => {
  server = await startServerUnderAttack();
});
afterAll(() => server.close());

test("the server's files are private, and an agent's folder has the usual modes", async () => {
  const person = await server.person("owner");
  const organization = await makeOrganization(person);
  const project = await makeProjectWith(person, organization.id, { "file.txt": "text" });
  const { agent } = await makeWorkspace(person, project.id);
  const { data: run } = await person.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: ["sh", "-c", "umask; ls -l file.txt; echo new > new.txt"] },
  });
  expect(await waitForRunEnd(person, run.id)).toMatchObject({ status: "succeeded" });
  const logs = await fetch(`${server.url}/api/v1/runs/${run.id}/logs`, {
    headers: { authorization: `Bearer ${person.token}` },
  });
  expect(await logs.text()).toMatch(/^0?022\n-rw-r--r--/);

  const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
  expect(status).toMatch(/^Umask:\s+0077$/m);
  for (const name of readdirSync(server.dataDir)) {
    expect([name, await openBits(join(server.dataDir, name))]).toEqual([name, 0]);
  }
  const repository = join(server.dataDir, "repositories", organization.id, `${project.id}.git`);
  for (const name of readdirSync(repository, { recursive: true, encoding: "utf8" })) {
    expect([name, await openBits(join(repository, name))]).toEqual([name, 0]);
  }
});

test("a start restricts files that an earlier version left open, also for a root server and its PostgreSQL", async () => {
  const folder = mkdtempSync(join(tmpdir(), "omoi-modes-"));
  for (const name of ["repositories/deep", "logs", "workspaces/organization"]) {
    mkdirSync(join(folder, name), { recursive: true, mode: 0o755 });
  }
  writeFileSync(join(folder, "secret"), `${"s".repeat(64)}\n`, { mode: 0o644 });
  writeFileSync(join(folder, "repositories/deep/object"), "a secret", { mode: 0o644 });
  await chmod(folder, 0o755);
  const first = startServer({ OMOI_DATA_DIR: folder });
  await first.ready;
  expect(await openBits(folder)).toBe(isRoot ? 0o011 : 0);
  for (const name of readdirSync(folder)) {
    expect([name, await openBits(join(folder, name))]).toEqual([name, 0]);
  }
  if (isRoot) {
    const script = `for path; do cat "$path" || ls "$path/"; done`;
    const paths = ["", "secret", "repositories/deep/object", "logs", "postgres/PG_VERSION"];
    const tried = spawnSync(
      "sh",
      ["-c", script, "sh", ...paths.map((path) => join(folder, path))],
      {
        uid: 65_534,
        gid: 65_534,
        cwd: "/",
      },
    );
    expect(tried.stdout.toString()).toBe("");
  }
  first.process.kill("SIGTERM");
  await first.ended;

  // With separate users and without a sandbox, commands reach only their own folders.
  const second = startServer({ OMOI_DATA_DIR: folder, OMOI_SANDBOX: "off" });
  await second.ready;
  const passing = isRoot ? 0o011 : 0;
  expect(await openBits(join(folder, "workspaces"))).toBe(passing);
  expect(await openBits(join(folder, "workspaces/organization"))).toBe(isRoot ? 0o011 : 0o055);
  expect(await openBits(join(folder, "repositories"))).toBe(0);
  second.process.kill("SIGTERM");
  await second.ended;
  rmSync(folder, { recursive: true });
});
