import { randomUUID } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
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
  makeProject,
  makeProjectWith,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

describe("a workspace", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  test("has its own branch and a folder with the base branch's files", async () => {
    const project = await makeProjectWith(owner, orgId, { "src/app.ts": "one\n" });
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    const { status, data } = await owner.api.workspaces.create({ params });
    expect(status).toBe(201);
    const main = await gitInRepository(app, project, "rev-parse", "refs/heads/main");
    expect(data).toMatchObject({
      agent_id: agent.id,
      agent_name: agent.name,
      project_id: project.id,
      working_directory: join(app.dataDir, "workspaces", orgId, `ws_${agent.name}`),
      branch_name: `workspace-${agent.name}`,
      base_branch: "main",
      workspace_type: "local",
      isolation: "isolated",
      parent_agent_id: null,
      parent_agent_name: null,
      parent_commit: main,
      head_commit: main,
      status: "active",
      error: null,
      checkpoint_error: null,
      counts: { commits: 0, merges: 0, conflicts_resolved: 0 },
      settings: {
        merge_strategy: "newest_file_wins",
        auto_checkpoint: true,
        checkpoint_interval_minutes: 10,
        retention_days: 30,
      },
    });
    expect(await readdir(folderOf(data))).toEqual(["src"]);
    expect(await readFile(join(folderOf(data), "src/app.ts"), "utf8")).toBe("one\n");
    expect(await gitInRepository(app, project, "rev-parse", `refs/heads/${data.branch_name}`)).toBe(
      main,
    );
    const { data: again } = await owner.api.workspaces.get({ params });
    expect(again).toEqual({
      ...data,
      disk: { bytes: expect.any(Number), measured_at: expect.any(String) },
    });
    const { data: current } = await owner.api.agents.get({ params });
    expect(current.workspace_branch).toBe(data.branch_name);
  });

  test("is created once, also if requested ten times at once", async () => {
    const project = await makeProject(owner, orgId);
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => owner.api.workspaces.create({ params })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expectProblem(owner.api.workspaces.create({ params }), 409, "workspace_exists");
    expect((await owner.api.workspaces.get({ params })).data.status).toBe("active");
  });

  test("starts from another existing branch on request", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n" });
    const first = await gitInRepository(app, project, "rev-list", "--max-parents=0", "main");
    await gitInRepository(app, project, "branch", "release/1.0", first);
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    const other = (await makeWorkspace(owner, project.id)).workspace.branch_name;
    for (const base_branch of ["no-branch", "HEAD", "../main", "-x", "a..b", "main.lock", other]) {
      const call = owner.api.workspaces.create({ params, body: { base_branch } });
      const problem = await expectProblem(call, 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["body.base_branch"]);
    }
    const body = { base_branch: "release/1.0", merge_strategy: "source_wins" } as const;
    const { data } = await owner.api.workspaces.create({ params, body });
    expect(data).toMatchObject({ base_branch: "release/1.0", parent_commit: first });
    expect(data.settings.merge_strategy).toBe("source_wins");
    expect(await readdir(folderOf(data))).toEqual([]);
  });

  test("is rejected until the project is ready", async () => {
    const project = await makeProject(owner, orgId);
    const agent = await makeAgent(owner, project.id);
    await queryAsOwner(app, "update projects set status = 'importing' where id = $1", [project.id]);
    const params = { agent_id: agent.id };
    await expectProblem(owner.api.workspaces.create({ params }), 409, "project_not_ready");
    await expectProblem(owner.api.workspaces.get({ params }), 404, "workspace_missing");
  });

  test("must have a known type", async () => {
    const agent = await makeAgent(owner, (await makeProject(owner, orgId)).id);
    for (const workspace_type of ["virtual", ""]) {
      const body = { workspace_type } as unknown as { workspace_type: "local" };
      const call = owner.api.workspaces.create({ params: { agent_id: agent.id }, body });
      const problem = await expectProblem(call, 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["body.workspace_type"]);
    }
  });

  test("of a child starts from the parent's newest state, which is checkpointed first", async () => {
    const project = await makeProject(owner, orgId);
    const parent = await makeWorkspace(owner, project.id);
    await commitFiles(owner, parent.workspace, { "saved.txt": "saved\n" });
    await writeFiles(parent.workspace, { "unsaved.txt": "unsaved\n" });
    const child = await makeAgent(owner, project.id, parent.agent.id);
    const { data } = await owner.api.workspaces.create({ params: { agent_id: child.id } });

    const params = { agent_id: parent.agent.id };
    const [newest] = (await owner.api.workspaces.commits({ params, query: {} })).data;
    expect(newest?.message).toBe(`[Agent ${parent.agent.name}] Checkpoint`);
    expect(data).toMatchObject({
      parent_agent_id: parent.agent.id,
      parent_agent_name: parent.agent.name,
      parent_commit: newest?.commit_sha,
      head_commit: newest?.commit_sha,
    });
    expect((await readdir(folderOf(data))).sort()).toEqual(["saved.txt", "unsaved.txt"]);

    await commitFiles(owner, data, { "saved.txt": "the child's\n" });
    const parents = await readFile(join(folderOf(parent.workspace), "saved.txt"), "utf8");
    expect(parents).toBe("saved\n");
  });

  test("of a child whose parent has no workspace starts from the base branch", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n" });
    const parent = await makeAgent(owner, project.id);
    const child = await makeAgent(owner, project.id, parent.id);
    const { data } = await owner.api.workspaces.create({ params: { agent_id: child.id } });
    expect(data.parent_commit).toBe(await gitInRepository(app, project, "rev-parse", "main"));
  });

  test("settings can be changed one by one; an unknown base branch or field is rejected", async () => {
    const project = await makeProject(owner, orgId);
    const { agent } = await makeWorkspace(owner, project.id);
    await gitInRepository(app, project, "branch", "next", "main");
    const params = { agent_id: agent.id };
    const change = async (body: Parameters<typeof owner.api.workspaces.update>[0]["body"]) =>
      (await owner.api.workspaces.update({ params, body })).data;
    expect((await change({ settings: { auto_checkpoint: false } })).settings).toEqual({
      merge_strategy: "newest_file_wins",
      auto_checkpoint: false,
      checkpoint_interval_minutes: 10,
      retention_days: 30,
    });
    const changed = await change({ base_branch: "next", settings: { retention_days: 3650 } });
    expect(changed.base_branch).toBe("next");
    expect(changed.settings).toMatchObject({ auto_checkpoint: false, retention_days: 3650 });
    expect(await change({})).toMatchObject({ base_branch: "next", settings: changed.settings });

    const wrong: [unknown, string][] = [
      [{ base_branch: "gone" }, "body.base_branch"],
      [{ base_branch: `workspace-${agent.name}` }, "body.base_branch"],
      [{ settings: { retention_days: 0 } }, "body.settings.retention_days"],
      [{ settings: { retention_days: 3651 } }, "body.settings.retention_days"],
      [{ settings: { merge_strategy: "mine" } }, "body.settings.merge_strategy"],
      [{ settings: { colour: "red" } }, "body.settings.colour"],
      [{ status: "archived" }, "body.status"],
    ];
    for (const [body, field] of wrong) {
      const call = owner.api.workspaces.update({ params, body: body as object });
      expect(fieldsOf(await expectProblem(call, 422, "validation_failed"))).toEqual([field]);
    }
  });

  test("every call is 404 for an unknown agent and for one without a workspace", async () => {
    const bare = await makeAgent(owner, (await makeProject(owner, orgId)).id);
    const sha = "0".repeat(40);
    for (const [agent_id, code] of [
      [randomUUID(), "not_found"],
      [bare.id, "workspace_missing"],
    ] as const) {
      const params = { agent_id };
      const { workspaces } = owner.api;
      await expectProblem(workspaces.get({ params }), 404, code);
      await expectProblem(workspaces.update({ params, body: {} }), 404, code);
      await expectProblem(workspaces.changes({ params }), 404, code);
      const body = { commit_type: "manual" } as const;
      await expectProblem(workspaces.createCommit({ params, body }), 404, code);
      await expectProblem(workspaces.commits({ params, query: {} }), 404, code);
      await expectProblem(workspaces.commit({ params: { agent_id, sha } }), 404, "not_found");
      await expectProblem(workspaces.diff({ params: { agent_id, sha } }), 404, code);
      await expectProblem(workspaces.previewMerge({ params }), 404, code);
      await expectProblem(workspaces.createMerge({ params }), 404, code);
      await expectProblem(workspaces.merges({ params, query: {} }), 404, code);
      const merge = { agent_id, merge_id: randomUUID() };
      await expectProblem(workspaces.merge({ params: merge }), 404, "not_found");
    }
    await expectProblem(
      owner.api.workspaces.create({ params: { agent_id: randomUUID() } }),
      404,
      "not_found",
    );
  });
});
