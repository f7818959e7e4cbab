import { beforeAll, describe, expect, test } from "vitest";
import type { Merge } from "#shared/api/code/merges.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

describe("merging a workspace", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  const head = (project: { id: string; organization_id: string }, branch: string) =>
    gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);

  test("the title of the agent's task is the default subject", async () => {
    const project = await makeProject(owner, orgId);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const task = { title: "Fix\nthe login", text: "Users cannot sign in." };
    await owner.api.agents.update({ params, body: { task } });
    await commitFiles(owner, workspace, { "a.txt": "a\n" });
    await owner.api.workspaces.createMerge({ params, body: {} });
    expect(await gitInRepository(app, project, "log", "-1", "--format=%s|%b", "main")).toBe(
      `Fix the login|Merge ${workspace.branch_name} into main\n`,
    );
    const { data: listed } = await owner.api.workspaces.mergesOfProject({
      params: { project_id: project.id },
    });
    expect(listed.map(({ subject }) => subject)).toEqual(["Fix the login"]);
  });

  test("cleanly creates a commit with two parents even if git could fast-forward", async () => {
    const project = await makeProject(owner, orgId);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const commit = await commitFiles(owner, workspace, { "a.txt": "a\n" });
    const before = await head(project, "main");
    const params = { agent_id: agent.id };
    const body = { message: "Bring in a\n\nwith a body" };
    const { status, data } = await owner.api.workspaces.createMerge({ params, body });
    expect(status).toBe(201);
    expect(data).toMatchObject({
      subject: "Bring in a",
      source_branch: workspace.branch_name,
      target_branch: "main",
      status: "clean",
      resolution_strategy: "newest_file_wins",
      total_conflicts: 0,
      conflicts_resolved: [],
      resolutions: [],
      reverted_by: null,
    });
    expect(await head(project, "main")).toBe(data.merge_commit_sha);
    expect(await gitInRepository(app, project, "log", "-1", "--format=%P|%an|%B", "main")).toBe(
      `${before} ${commit.commit_sha}|${agent.name}|${body.message}\n`,
    );
    expect(await gitInRepository(app, project, "show", "main:a.txt")).toBe("a");
    expect(await head(project, workspace.branch_name)).toBe(commit.commit_sha);

    const merge = { ...params, merge_id: data.id as string };
    expect((await owner.api.workspaces.merge({ params: merge })).data).toEqual(data);
    expect((await owner.api.workspaces.merges({ params, query: {} })).data).toEqual([data]);
    const { data: shown } = await owner.api.workspaces.get({ params });
    expect(shown.counts).toEqual({ commits: 1, merges: 1, conflicts_resolved: 0 });
    const { data: project_ } = await owner.api.projects.get({ params: { project_id: project.id } });
    expect(project_.counts).toEqual({ agents: 1, workspaces: 1, merges: 1 });
  });

  test("shows its author, its commits and its diff", async () => {
    const project = await makeProject(owner, orgId);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const first = await commitFiles(owner, workspace, { "a.txt": "a\n" });
    const second = await commitFiles(owner, workspace, { "b.txt": "b\n" });
    const merged = await mergeIntoBase(owner, workspace);
    const params = { agent_id: agent.id, merge_id: merged.id as string };
    const { data } = await owner.api.workspaces.mergeChanges({ params });
    expect(data.author).toEqual({ type: "user", name: "owner" });
    expect(data.commits.map(({ sha, author_name }) => [sha, author_name])).toEqual([
      [second.commit_sha, agent.name],
      [first.commit_sha, agent.name],
    ]);
    expect(data.has_more_commits).toBe(false);
    expect(data.diff.files.map(({ path, status }) => [path, status])).toEqual([
      ["a.txt", "added"],
      ["b.txt", "added"],
    ]);
    expect(data.diff.stats).toEqual({ files_changed: 2, additions: 2, deletions: 0 });

    const other = await makeWorkspace(owner, project.id);
    const wrong = { agent_id: other.agent.id, merge_id: params.merge_id };
    await expectProblem(owner.api.workspaces.mergeChanges({ params: wrong }), 404, "not_found");
    const stranger = await app.person("stranger");
    await expectProblem(stranger.api.workspaces.mergeChanges({ params }), 404, "not_found");
  });

  test("with nothing to merge is 200 up_to_date and moves nothing", async () => {
    const project = await makeProject(owner, orgId);
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "a.txt": "a\n" });
    await mergeIntoBase(owner, workspace);
    const before = await head(project, "main");
    const params = { agent_id: workspace.agent_id };
    const { status, data } = await owner.api.workspaces.createMerge({ params });
    expect(status).toBe(200);
    expect(data).toMatchObject({ id: null, merge_commit_sha: null, status: "up_to_date" });
    expect(await head(project, "main")).toBe(before);
    expect((await owner.api.workspaces.merges({ params, query: {} })).data).toHaveLength(1);
  });

  test("commits unsaved work first", async () => {
    const project = await makeProject(owner, orgId);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    await writeFiles(workspace, { "unsaved.txt": "u\n" });
    expect((await mergeIntoBase(owner, workspace)).status).toBe("clean");
    expect(await gitInRepository(app, project, "show", "main:unsaved.txt")).toBe("u");
    const params = { agent_id: agent.id };
    const [commit] = (await owner.api.workspaces.commits({ params, query: {} })).data;
    expect(commit?.message).toBe(`[Agent ${agent.name}] Checkpoint`);
  });

  test("with auto_checkpoint off rejects unsaved work and merges the commits", async () => {
    const project = await makeProject(owner, orgId);
    const { workspace } = await makeWorkspace(owner, project.id);
    const params = { agent_id: workspace.agent_id };
    await owner.api.workspaces.update({ params, body: { settings: { auto_checkpoint: false } } });
    const before = await head(project, "main");
    await writeFiles(workspace, { "a.txt": "a\n" });
    await expectProblem(owner.api.workspaces.createMerge({ params }), 409, "unsaved_changes");
    expect(await head(project, "main")).toBe(before);
    const { data: commits } = await owner.api.workspaces.commits({ params, query: {} });
    expect(commits).toEqual([]);
    await commitFiles(owner, workspace, {}, "manual");
    expect((await mergeIntoBase(owner, workspace)).status).toBe("clean");
  });

  test("accepts another target branch, but no agent's branch and no unknown one", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n" });
    await gitInRepository(app, project, "branch", "next", "main");
    const { workspace } = await makeWorkspace(owner, project.id);
    const other = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "b.txt": "b\n" });
    const params = { agent_id: workspace.agent_id };
    const branches = [other.workspace.branch_name, workspace.branch_name, "workspace-x", "gone"];
    for (const target_branch of [...branches, "main~1", "refs/heads/..", "HEAD"]) {
      for (const call of ["createMerge", "previewMerge"] as const) {
        const asked = owner.api.workspaces[call]({ params, body: { target_branch } });
        const problem = await expectProblem(asked, 422, "validation_failed");
        expect(fieldsOf(problem)).toEqual(["body.target_branch"]);
      }
    }
    const main = await head(project, "main");
    const body = { target_branch: "next" };
    const { data } = await owner.api.workspaces.createMerge({ params, body });
    expect(data.target_branch).toBe("next");
    expect(await head(project, "next")).toBe(data.merge_commit_sha);
    expect(await head(project, "main")).toBe(main);
  });

  test("rejects branches without a common history and names the target", async () => {
    const project = await makeProject(owner, orgId);
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "a.txt": "a\n" });
    const tree = await gitInRepository(
      app,
      project,
      "rev-parse",
      `${workspace.branch_name}^{tree}`,
    );
    const who = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
    const root = await gitInRepository(
      app,
      project,
      ...who,
      "commit-tree",
      "-m",
      "elsewhere",
      tree,
    );
    await gitInRepository(app, project, "branch", "elsewhere", root);
    const params = { agent_id: workspace.agent_id };
    const call = owner.api.workspaces.createMerge({ params, body: { target_branch: "elsewhere" } });
    expect(fieldsOf(await expectProblem(call, 422, "validation_failed"))).toEqual([
      "body.target_branch",
    ]);
    expect(await head(project, "elsewhere")).toBe(root);
  });

  test("a preview equals the later merge, includes unsaved work and changes nothing", async () => {
    const project = await makeProjectWith(owner, orgId, { "f.txt": "base\n", "g.txt": "base\n" });
    const one = (await makeWorkspace(owner, project.id)).workspace;
    const other = (await makeWorkspace(owner, project.id)).workspace;
    await commitFiles(owner, one, { "f.txt": "one\n", "g.txt": "one\n" });
    await mergeIntoBase(owner, one);
    await commitFiles(owner, other, { "f.txt": "other\n" });
    await writeFiles(other, { "g.txt": "unsaved\n", "h.txt": "unsaved\n" });

    const refs = () => gitInRepository(app, project, "for-each-ref");
    const rows = () =>
      queryAsOwner(
        app,
        `select (select count(*) from workspace_commits)::int as commits,
           (select count(*) from merges)::int as merges,
           (select count(*) from received_commits)::int as received`,
      );
    const before = [await refs(), await rows()];
    const params = { agent_id: other.agent_id };
    const { status, data: preview } = await owner.api.workspaces.previewMerge({ params });
    expect(status).toBe(200);
    expect(await owner.api.workspaces.previewMerge({ params })).toMatchObject({ status: 200 });
    expect([await refs(), await rows()]).toEqual(before);

    const merge = await mergeIntoBase(owner, other);
    const comparable = ({
      id,
      merge_commit_sha,
      subject,
      created_at,
      resolutions,
      ...rest
    }: Merge) => ({
      ...rest,
      resolutions: resolutions.map(({ loser_ref, source_time, rule, ...kept }) => kept),
    });
    expect(comparable(preview)).toEqual(comparable(merge));
    expect(preview).toMatchObject({ id: null, merge_commit_sha: null, total_conflicts: 2 });
    expect(preview.resolutions.every(({ loser_ref }) => loser_ref === null)).toBe(true);
    expect(await gitInRepository(app, project, "show", "main:g.txt")).toBe("unsaved");
  });

  test("merges are listed in pages, newest first; another workspace's merge is 404", async () => {
    const project = await makeProject(owner, orgId);
    const { workspace } = await makeWorkspace(owner, project.id);
    const other = await makeWorkspace(owner, project.id);
    const ids: (string | null)[] = [];
    for (let number = 1; number <= 3; number += 1) {
      await commitFiles(owner, workspace, { n: `${number}\n` });
      ids.unshift((await mergeIntoBase(owner, workspace)).id);
    }
    const params = { agent_id: workspace.agent_id };
    const first = await owner.api.workspaces.merges({ params, query: { limit: 2 } });
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] as string;
    const second = await send(app, "GET", next, { token: owner.token });
    expect((JSON.parse(second.text) as Merge[]).map(({ id }) => id)).toEqual(ids.slice(2));
    expect(second.headers.get("link")).toBeNull();
    const theirs = { agent_id: other.agent.id, merge_id: ids[0] as string };
    await expectProblem(owner.api.workspaces.merge({ params: theirs }), 404, "not_found");
    for (const bad of ["x", Buffer.from('["a","b"]').toString("base64url"), "bm9wZQ"]) {
      const call = owner.api.workspaces.merges({ params, query: { cursor: bad } });
      expect(fieldsOf(await expectProblem(call, 422, "validation_failed"))).toEqual([
        "query.cursor",
      ]);
    }
  });
});
