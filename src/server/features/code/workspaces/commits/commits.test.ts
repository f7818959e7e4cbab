import { rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProject,
  makeProjectWith,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { describeMainDriver } from "#test/support/git/folder-drivers.js";
import { gitInRepository } from "#test/support/git/git.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";

describeMainDriver("commits of a workspace", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_FOLDER_DRIVER: driver });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());

  const workspaceOf = async () => {
    const project = await makeProject(owner, orgId);
    return { project, ...(await makeWorkspace(owner, project.id)) };
  };

  test("are refused if the branch changes meanwhile, and can be repeated", async () => {
    const { project, agent, workspace } = await workspaceOf();
    const branch = `refs/heads/${workspace.branch_name}`;
    const inBranch = (...args: string[]) => gitInRepository(app, project, ...args);
    const head = (await inBranch("rev-parse", branch)).trim();
    const tree = `${head}^{tree}`;
    const ann = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    const other = (await inBranch(...ann, "commit-tree", tree, "-p", head, "-m", "Other")).trim();
    await writeFiles(workspace, { "a.txt": "a\n" });
    const client = new pg.Client(app.owner);
    await client.connect();
    await client.query("begin");
    await client.query("lock table workspace_commits in share mode");
    const params = { agent_id: agent.id };
    const body = { commit_type: "manual" as const };
    const call = owner.api.workspaces.createCommit({ params, body });
    const refused = expectProblem(call, 409, "workspace_busy");
    // Databases of other test files have locks, too.
    const waiting = () =>
      queryAsOwner(
        app,
        `select from pg_locks join pg_database on pg_database.oid = database
         where datname = current_database() and relation = 'workspace_commits'::regclass and not granted`,
      );
    await expect.poll(waiting).not.toEqual([]);
    await inBranch("update-ref", branch, other);
    await client.end();
    await refused;
    await inBranch("update-ref", branch, head);
    expect((await owner.api.workspaces.createCommit({ params, body })).status).toBe(201);
  });

  test("state their agent and reason in the message", async () => {
    const { project, agent, workspace } = await workspaceOf();
    const made = [];
    for (const [index, type] of (
      ["checkpoint", "validation", "validation", "manual", "final"] as const
    ).entries()) {
      made.push(await commitFiles(owner, workspace, { "a.txt": `${index}\n` }, type));
    }
    expect(made.map(({ message }) => message)).toEqual([
      `[Agent ${agent.name}] Checkpoint`,
      `[Agent ${agent.name}] Iteration 1`,
      `[Agent ${agent.name}] Iteration 2`,
      `[Agent ${agent.name}] Commit`,
      `[Agent ${agent.name}] Final`,
    ]);
    expect(made.map(({ iteration }) => iteration)).toEqual([null, 1, 2, null, null]);
    const log = await gitInRepository(
      app,
      project,
      "log",
      "--format=%H %an %s",
      workspace.branch_name,
    );
    expect(log.split("\n").toReversed().slice(1)).toEqual(
      made.map(({ commit_sha, message }) => `${commit_sha} ${agent.name} ${message}`),
    );
  });

  test("accept a message and an iteration, from which later ones continue", async () => {
    const { workspace } = await workspaceOf();
    const params = { agent_id: workspace.agent_id };
    await writeFiles(workspace, { "a.txt": "1\n" });
    const body = { commit_type: "validation", iteration: 7, message: "All green\n\nÄÖ" } as const;
    const { status, data } = await owner.api.workspaces.createCommit({ params, body });
    expect(status).toBe(201);
    expect(data).toMatchObject({ iteration: 7, message: "All green\n\nÄÖ", created: true });
    const next = await commitFiles(owner, workspace, { "a.txt": "2\n" }, "validation");
    expect(next.iteration).toBe(8);
  });

  test("count files and lines as the diff does", async () => {
    const { workspace } = await workspaceOf();
    await commitFiles(owner, workspace, {
      "keep.txt": "1\n2\n3\n",
      "gone.txt": "x\ny\n",
      "old name.txt": "a long enough text\nto be recognized\nwhen it is renamed\n",
    });
    await rm(join(folderOf(workspace), "gone.txt"));
    await rm(join(folderOf(workspace), "old name.txt"));
    const commit = await commitFiles(owner, workspace, {
      "keep.txt": "1\ntwo\n3\n4\n",
      "new/ünïcode.txt": "n\n",
      "new name.txt": "a long enough text\nto be recognized\nwhen it is renamed\n",
    });
    expect(commit).toMatchObject({ files_changed: 4, additions: 3, deletions: 3 });

    const params = { agent_id: workspace.agent_id, sha: commit.commit_sha };
    const { data } = await owner.api.workspaces.diff({ params });
    expect(data.stats).toEqual({ files_changed: 4, additions: 3, deletions: 3 });
    expect(data.files.map(({ path, old_path, status }) => [path, old_path, status])).toEqual(
      expect.arrayContaining([
        ["keep.txt", null, "modified"],
        ["gone.txt", null, "deleted"],
        ["new/ünïcode.txt", null, "added"],
        ["new name.txt", "old name.txt", "renamed"],
      ]),
    );
    const kept = data.files.find(({ path }) => path === "keep.txt");
    expect(kept?.patch).toContain("-2\n+two\n");

    const raw = await send(
      app,
      "GET",
      `/api/v1/agents/${workspace.agent_id}/workspace/commits/${commit.commit_sha}/diff`,
      { token: owner.token, headers: { accept: "text/x-diff" } },
    );
    expect(raw.status).toBe(200);
    expect(raw.headers.get("content-type")).toBe("text/x-diff; charset=utf-8");
    expect(raw.text).toContain("-2\n+two\n");
    expect(raw.text).toContain("diff --git");
  });

  test("are not created without changes: 200 with the newest commit", async () => {
    const { project, workspace } = await workspaceOf();
    const params = { agent_id: workspace.agent_id };
    const body = { commit_type: "checkpoint" } as const;
    const none = await owner.api.workspaces.createCommit({ params, body });
    expect(none.status).toBe(200);
    expect(none.data).toMatchObject({ created: false, commit_sha: workspace.parent_commit });

    const made = await commitFiles(owner, workspace, { "a.txt": "a\n" }, "manual");
    await writeFiles(workspace, { "a.txt": "a\n" });
    const again = await owner.api.workspaces.createCommit({ params, body });
    expect(again.status).toBe(200);
    expect(again.data).toEqual({ ...made, created: false });
    expect(await gitInRepository(app, project, "rev-parse", workspace.branch_name)).toBe(
      made.commit_sha,
    );
  });

  test("are listed in pages, newest first, and only for this workspace", async () => {
    const project = await makeProject(owner, orgId);
    const one = await makeWorkspace(owner, project.id);
    const other = await makeWorkspace(owner, project.id);
    const made: string[] = [];
    for (let number = 1; number <= 5; number += 1) {
      made.unshift((await commitFiles(owner, one.workspace, { n: `${number}\n` })).commit_sha);
    }
    const foreign = await commitFiles(owner, other.workspace, { n: "other\n" });

    const params = { agent_id: one.agent.id };
    const seen: string[] = [];
    let pages = 0;
    let cursor: string | undefined;
    do {
      const query = cursor === undefined ? { limit: 2 } : { limit: 2, cursor };
      const { data, headers } = await owner.api.workspaces.commits({ params, query });
      seen.push(...data.map(({ commit_sha }) => commit_sha));
      pages += 1;
      const next = /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
      cursor = next && (new URL(next, app.url).searchParams.get("cursor") ?? undefined);
    } while (cursor !== undefined);
    expect(seen).toEqual(made);
    expect(pages).toBe(3);

    const own = { ...params, sha: made[2] as string };
    const { data: commit } = await owner.api.workspaces.commit({ params: own });
    expect(commit.commit_sha).toBe(made[2]);
    const theirs = { ...params, sha: foreign.commit_sha };
    await expectProblem(owner.api.workspaces.commit({ params: theirs }), 404, "not_found");
    await expectProblem(owner.api.workspaces.diff({ params: theirs }), 404, "not_found");
  });

  test("changes show the difference from the base, committed or not", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n", "b.txt": "b\n" });
    const { workspace } = await makeWorkspace(owner, project.id);
    const params = { agent_id: workspace.agent_id };
    expect((await owner.api.workspaces.changes({ params })).data.files).toEqual([]);
    await commitFiles(owner, workspace, { "a.txt": "changed\n" });
    await writeFiles(workspace, { "c.txt": "unsaved\n" });
    const { data } = await owner.api.workspaces.changes({ params });
    expect(data.files.map(({ path, status }) => [path, status])).toEqual([
      ["a.txt", "modified"],
      ["c.txt", "added"],
    ]);
    expect(data.stats).toEqual({ files_changed: 2, additions: 2, deletions: 1 });
    const { data: list } = await owner.api.workspaces.commits({ params, query: {} });
    expect(list).toHaveLength(1);
  });

  test("malformed requests are 422 and name each bad field", async () => {
    const { workspace } = await workspaceOf();
    await writeFiles(workspace, { "a.txt": "a\n" });
    const wrong: [unknown, string][] = [
      [{}, "body.commit_type"],
      [{ commit_type: "merge" }, "body.commit_type"],
      [{ commit_type: "manual", iteration: 0 }, "body.iteration"],
      [{ commit_type: "manual", iteration: 1.5 }, "body.iteration"],
      [{ commit_type: "manual", message: "" }, "body.message"],
      [{ commit_type: "manual", message: "x".repeat(8193) }, "body.message"],
      [{ commit_type: "manual", message: "a\u0000b" }, "body.message"],
      [{ commit_type: "manual", author: "me" }, "body.author"],
    ];
    const path = `/api/v1/agents/${workspace.agent_id}/workspace/commits`;
    for (const [body, field] of wrong) {
      const answer = await send(app, "POST", path, { token: owner.token, body });
      expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([422, [field]]);
    }
    for (const sha of ["0".repeat(39), "main", "...", "F".repeat(40)]) {
      const answer = await send(app, "GET", `${path}/${sha}`, { token: owner.token });
      expect(answer.status).toBe(404);
    }
  });
});
