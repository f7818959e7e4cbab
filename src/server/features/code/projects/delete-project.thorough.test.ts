// Thorough: repeats and races of deletions.
import { lstat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { repoPathOf } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("deleting a project", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "base\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
  });
  afterAll(() => app.close());

  const at = () => ({ project_id: project.id });
  const remove = (person = owner) => person.api.projects.delete({ params: at() });
  const isThere = (path: string) =>
    lstat(path).then(
      () => true,
      () => false,
    );
  const removed = () =>
    expect
      .poll(() =>
        queryAsOwner(app, "select from projects where id = $1 and removed_at is not null", [
          project.id,
        ]),
      )
      .toHaveLength(1);

  test("does not touch the folder of a namesake in another project", async () => {
    await owner.api.agents.delete({ params: { agent_id: workspace.agent_id } });
    const other = await makeProjectWith(owner, org.id, { "a.txt": "other\n" });
    const body = { project_id: other.id, name: workspace.agent_name };
    const { data: agent } = await owner.api.agents.create({ body });
    const { data } = await owner.api.workspaces.create({ params: { agent_id: agent.id } });
    await remove();
    await removed();
    expect(await isThere(join(folderOf(data), "a.txt"))).toBe(true);
  });

  test("concurrent commits, creations and runs happen before it or fail", async () => {
    const agents = [await makeAgent(owner, project.id), await makeAgent(owner, project.id)];
    const [first, second] = agents.map(({ id }) => ({ agent_id: id }));
    const outcomes = await Promise.allSettled([
      commitFiles(owner, workspace, { "b.txt": "b\n" }),
      owner.api.workspaces.create({ params: first as { agent_id: string } }),
      remove(),
      makeAgent(owner, project.id),
      owner.api.runs.create({
        params: second as { agent_id: string },
        body: { external: true },
      }),
      remove(),
    ]);
    if (outcomes[4].status === "fulfilled") {
      expect([outcomes[2].status, outcomes[5].status]).toEqual(["rejected", "rejected"]);
      return;
    }
    await removed();
    expect(await isThere(repoPathOf(app, project))).toBe(false);
    for (const { name } of agents) {
      const folder = join(dirname(folderOf(workspace)), `ws_${name}`);
      expect(await isThere(folder)).toBe(false);
    }
    const alive = await queryAsOwner(
      app,
      "select from agents where project_id = $1 and terminated_at is null",
      [project.id],
    );
    expect(alive).toEqual([]);
  });
});
