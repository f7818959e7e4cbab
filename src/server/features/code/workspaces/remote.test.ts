import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

describe("a remote workspace", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
    agent = await makeAgent(owner, project.id);
    const body = { workspace_type: "remote" } as const;
    workspace = (await owner.api.workspaces.create({ params: at(), body })).data;
  });

  const at = () => ({ agent_id: agent.id });
  const tip = (branch: string) =>
    gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);
  const workspaces = () => owner.api.workspaces;

  test("has a branch but no folder", async () => {
    expect(workspace).toMatchObject({
      workspace_type: "remote",
      working_directory: null,
      status: "active",
      head_commit: await tip("main"),
    });
    expect(await tip(workspace.branch_name)).toBe(await tip("main"));
    expect((await workspaces().changes({ params: at() })).data.files).toEqual([]);
    expect((await workspaces().get({ params: at() })).data).toEqual(workspace);
  });

  test("rejects commits and says what to do instead", async () => {
    const body = { commit_type: "checkpoint" } as const;
    const problem = await expectProblem(
      workspaces().createCommit({ params: at(), body }),
      409,
      "workspace_remote",
    );
    expect(problem.detail).toContain(`push to its branch ${workspace.branch_name}`);
    const strange = { workspace_type: "strange" } as never;
    const unknown = await expectProblem(
      workspaces().create({ params: at(), body: strange }),
      422,
      "validation_failed",
    );
    expect(fieldsOf(unknown)).toEqual(["body.workspace_type"]);
  });

  test("gets its base's new commits by a sync, on the branch only", async () => {
    const other = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other.workspace, { "b.txt": "new\n" });
    await mergeIntoBase(owner, other.workspace);
    const { data: synced } = await workspaces().sync({ params: at() });
    expect(synced).toMatchObject({ kind: "sync", status: "clean" });
    expect(await tip(workspace.branch_name)).toBe(synced.merge_commit_sha);
    expect(await gitInRepository(app, project, "show", `${workspace.branch_name}:b.txt`)).toBe(
      "new",
    );
    const { data: again } = await workspaces().get({ params: at() });
    expect(again).toMatchObject({ head_commit: synced.merge_commit_sha, working_directory: null });
    expect((await workspaces().createMerge({ params: at() })).data.status).toBe("clean");
  });
});
