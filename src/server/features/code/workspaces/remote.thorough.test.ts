// Thorough: the whole life of a remote workspace.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";

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

  test("is archived and restored with its branch and can be recreated as a local one", async () => {
    const head = await tip(workspace.branch_name);
    await workspaces().archive({ params: at() });
    const branches = await gitInRepository(app, project, "for-each-ref", "--format=%(refname)");
    expect(branches).not.toContain(workspace.branch_name);
    const { data: restored } = await workspaces().restore({ params: at() });
    expect(restored).toMatchObject({ status: "active", working_directory: null });
    expect(await tip(workspace.branch_name)).toBe(head);
    await workspaces().archive({ params: at() });
    const { data: local } = await workspaces().create({ params: at() });
    expect(local.workspace_type).toBe("local");
    expect(local.working_directory).toContain(`ws_${agent.name}`);
  });

  test("is the starting point of its agent's children", async () => {
    const child = await makeAgent(owner, project.id, agent.id);
    const { data } = await workspaces().create({ params: { agent_id: child.id } });
    expect(data).toMatchObject({ parent_agent_id: agent.id, parent_commit: workspace.head_commit });
    expect(data.working_directory).not.toBeNull();
  });
});
