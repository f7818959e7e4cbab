// Thorough: further states of the workspace at the interruption; the gate has one.
import { lstat, mkdir } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("terminating an agent", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
    project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
  });
  beforeEach(async () => {
    ({ agent, workspace } = await makeWorkspace(owner, project.id));
  });
  afterAll(() => app.close());

  const at = () => ({ agent_id: agent.id });
  const isThere = (path: string) =>
    lstat(path).then(
      () => true,
      () => false,
    );

  test.each(["creating", "failed", "archiving", "restoring"])(
    "a termination interrupted while its workspace was %s is completed at the next start",
    async (status) => {
      if (["archiving", "restoring"].includes(status)) {
        await owner.api.workspaces.archive({ params: at() });
        if (status === "archiving") await mkdir(folderOf(workspace));
      }
      await queryAsOwner(app, "update workspaces set status = $1 where agent_id = $2", [
        status,
        agent.id,
      ]);
      await queryAsOwner(app, "update agents set terminated_at = now() where id = $1", [agent.id]);
      const body = { project_id: project.id, name: agent.name };
      await expectProblem(owner.api.agents.create({ body }), 409, "name_taken");
      await (await app.sibling()).close();
      expect(await isThere(folderOf(workspace))).toBe(false);
      expect(await gitInRepository(app, project, "branch", "--list", workspace.branch_name)).toBe(
        "",
      );
      expect((await owner.api.agents.create({ body })).status).toBe(201);
    },
  );
});
