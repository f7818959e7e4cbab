import { randomUUID } from "node:crypto";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { storageIn } from "../../../../data-folder/storage.js";

/** The next start removes the remains of checks whose server was killed. */
let app: TestApp;
let owner: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
});
afterAll(() => app.close());

test("a start removes what killed checks have left, and nothing of workspaces or running checks", async () => {
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  const { agent } = await makeWorkspace(owner, project.id);
  const storage = storageIn(app.dataDir);
  const ended = randomUUID();
  const running = randomUUID();
  for (const [id, status] of [
    [ended, "lost"],
    [running, "running"],
  ] as const) {
    await queryAsOwner(
      app,
      `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at, lease_expires_at)
       values ($1, $2, $3, 'check', $4, now(), case when $4 = 'lost' then now() end,
         now() + interval '1 hour')`,
      [id, org.id, agent.id, status],
    );
    // As after a kill between the parts of `createFolder`, and after one within a removal.
    const overlay = storage.overlay(org.id, id);
    await mkdir(join(overlay, "upper"), { recursive: true });
    await symlink("gone", join(overlay, "lower"));
    await writeFile(storage.workspaceIndex(org.id, id), "");
    await mkdir(storage.check(org.id, id), { recursive: true });
  }
  const sibling = await app.sibling();
  await sibling.close();
  const names = async (folder: string): Promise<string> =>
    (await readdir(join(folder, org.id)).catch(() => [])).join(" ");
  const left = await Promise.all([storage.checks, storage.overlays, storage.indexes].map(names));
  expect(left.join(" ")).not.toContain(ended);
  expect(left.join(" ")).toContain(running);
  expect(await names(storage.indexes)).toContain(agent.id);
  const { data } = await owner.api.workspaces.get({ params: { agent_id: agent.id } });
  expect(data.status).toBe("active");
});
