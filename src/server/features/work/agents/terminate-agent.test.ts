import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { git, gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("terminating an agent", () => {
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
    project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
  });
  beforeEach(async () => {
    ({ agent, workspace } = await makeWorkspace(owner, project.id));
  });

  const at = () => ({ agent_id: agent.id });
  const remove = (person = owner) => person.api.agents.delete({ params: at() });
  const read = async () => (await owner.api.agents.get({ params: at() })).data;
  const members = async () =>
    (await owner.api.members.list({ params: { org_id: orgId } })).data.map((m) => m.agent_id);
  const isThere = (path: string) =>
    lstat(path).then(
      () => true,
      () => false,
    );
  const list = async (query: object) =>
    (await owner.api.agents.list({ query: { project_id: project.id, ...query } })).data.map(
      ({ id }) => id,
    );

  test("stops its run and keeps its work, its row and its history", async () => {
    const child = await makeAgent(owner, project.id, agent.id);
    const { data: run } = await owner.api.runs.create({ params: at(), body: { external: true } });
    await writeFiles(workspace, { "b.txt": "unsaved\n" });
    expect(await members()).toContain(agent.id);
    await remove();

    expect(await read()).toMatchObject({ status: "terminated", name: agent.name });
    const { data: stopped } = await owner.api.runs.get({ params: { run_id: run.id } });
    expect(stopped.status).toBe("stopped");
    expect(await members()).not.toContain(agent.id);
    expect(await isThere(folderOf(workspace))).toBe(false);
    const { data: kept } = await owner.api.workspaces.get({ params: at() });
    expect(kept.status).toBe("archived");
    expect(await gitInRepository(app, project, "show", `${kept.head_commit}:b.txt`)).toBe(
      "unsaved",
    );
    const params = { agent_id: child.id };
    expect((await owner.api.agents.get({ params })).data.parent_agent_id).toBe(agent.id);
    expect(await list({})).not.toContain(agent.id);
    expect(await list({ status: "terminated" })).toContain(agent.id);
    const { data: events } = await owner.api.audit.list({
      params: { org_id: orgId },
      query: { limit: 2 },
    });
    expect(events.map(({ action }) => action)).toEqual(["workspace.archived", "agent.deleted"]);
    expect(events[0]?.actor.id).toBe(owner.id);
    await remove();
    expect((await owner.api.audit.list({ params: { org_id: orgId }, query: {} })).data[0]?.id).toBe(
      events[0]?.id,
    );
  });

  test("a terminated agent cannot run and gets no workspace, child or role", async () => {
    await remove();
    const external = { external: true } as const;
    await expectProblem(owner.api.runs.create({ params: at(), body: external }), 404, "not_found");
    await expectProblem(owner.api.workspaces.create({ params: at() }), 409, "agent_terminated");
    await expectProblem(owner.api.workspaces.restore({ params: at() }), 409, "agent_terminated");
    const child = { project_id: project.id, name: "child", parent_agent_id: agent.id };
    await expectProblem(owner.api.agents.create({ body: child }), 422, "validation_failed");
    const member = { agent_id: agent.id, role_id: systemRoleIds.agent_executor };
    await expectProblem(
      owner.api.members.add({ params: { org_id: orgId }, body: member }),
      422,
      "validation_failed",
    );
  });

  test("another agent reuses the name, branch and folder without touching old data", async () => {
    await commitFiles(owner, workspace, { "a.txt": "first\n" });
    await remove();
    const body = { project_id: project.id, name: agent.name };
    const { data: heir } = await owner.api.agents.create({ body });
    const params = { agent_id: heir.id };
    const { data: second } = await owner.api.workspaces.create({ params });
    expect(folderOf(second)).toBe(folderOf(workspace));
    expect(second.branch_name).toBe(workspace.branch_name);
    expect(await readFile(join(folderOf(second), "a.txt"), "utf8")).toBe("base\n");
    await expectProblem(owner.api.agents.create({ body }), 409, "name_taken");
    await remove();
    expect(await isThere(folderOf(second))).toBe(true);
  });

  test("an uncommittable path rejects the termination, which then changes nothing", async () => {
    await git(["init", "--quiet", join(folderOf(workspace), "sub")]);
    await writeFiles(workspace, { "sub/file": "x" });
    await owner.api.runs.create({ params: at(), body: { external: true } });
    await expectProblem(remove(), 422, "nested_repository");
    expect((await read()).status).toBe("running");
    expect(await members()).toContain(agent.id);
  });

  test("requires agent:delete and at least the agent's permissions", async () => {
    const viewer = await app.person("viewer");
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: viewer.id, role_id: systemRoleIds.viewer },
    });
    await expectProblem(remove(viewer), 403, "insufficient_permission");
    const member = await app.person("member");
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: member.id, role_id: systemRoleIds.member },
    });
    const { data: all } = await owner.api.members.list({ params: { org_id: orgId } });
    const mine = all.find(({ agent_id }) => agent_id === agent.id)?.id as string;
    await owner.api.members.update({
      params: { org_id: orgId, member_id: mine },
      body: { role_id: systemRoleIds.admin },
    });
    await expectProblem(remove(member), 403, "privilege_escalation");
    expect((await read()).status).toBe("idle");
    await remove();
  });

  test("one of five concurrent terminations succeeds while runs and workspaces start", async () => {
    const other = await makeAgent(owner, project.id);
    const params = { agent_id: other.id };
    const outcomes = await Promise.allSettled([
      owner.api.agents.delete({ params }),
      owner.api.workspaces.create({ params }),
      owner.api.runs.create({ params, body: { external: true } }),
      owner.api.agents.delete({ params }),
      owner.api.agents.delete({ params }),
    ]);
    for (const index of [0, 3, 4]) expect(outcomes[index]?.status).toBe("fulfilled");
    expect((await owner.api.agents.get({ params })).data.status).toBe("terminated");
    const { data: runs } = await owner.api.runs.list({ params, query: {} });
    expect(runs.filter(({ status }) => status === "running")).toEqual([]);
    const folder = join(folderOf(workspace), "..", `ws_${other.name}`);
    expect(await isThere(folder)).toBe(false);
    expect(await gitInRepository(app, project, "branch", "--list", `workspace-${other.name}`)).toBe(
      "",
    );
    const body = { project_id: project.id, name: other.name };
    expect((await owner.api.agents.create({ body })).status).toBe(201);
  });

  test("a termination interrupted while its workspace was active is completed at the next start", async () => {
    await queryAsOwner(app, "update workspaces set status = $1 where agent_id = $2", [
      "active",
      agent.id,
    ]);
    await queryAsOwner(app, "update agents set terminated_at = now() where id = $1", [agent.id]);
    const body = { project_id: project.id, name: agent.name };
    await expectProblem(owner.api.agents.create({ body }), 409, "name_taken");
    await (await app.sibling()).close();
    expect(await isThere(folderOf(workspace))).toBe(false);
    expect(await gitInRepository(app, project, "branch", "--list", workspace.branch_name)).toBe("");
    expect((await owner.api.agents.create({ body })).status).toBe(201);
  });
});
