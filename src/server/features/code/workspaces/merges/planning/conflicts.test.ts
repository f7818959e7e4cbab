import { rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("conflicts of a merge", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  const workspaceIn = async (project: { id: string }) =>
    (await makeWorkspace(owner, project.id)).workspace;
  const show = (project: { id: string; organization_id: string }, path: string) =>
    gitInRepository(app, project, "show", `main:${path}`);

  /** Creates a project with the base, and a workspace with a commit per version, in this order. */
  async function makeConflict(
    base: Record<string, string> = { f: "base\n" },
    early: Record<string, string> = { f: "early\n" },
    late: Record<string, string> = { f: "late\n" },
  ) {
    const project = await makeProjectWith(owner, orgId, base);
    const workspaces = { early: await workspaceIn(project), late: await workspaceIn(project) };
    const commits = {
      early: await commitFiles(owner, workspaces.early, early),
      late: await commitFiles(owner, workspaces.late, late),
    };
    return { project, ...workspaces, commits };
  }

  test("the second of two merges conflicts and is recorded file by file", async () => {
    const { project, early, late, commits } = await makeConflict(
      {
        "src/oauth2.py": "base\n",
        "tests/oauth2.py": "base\n",
        "both.txt": "1\n2\n3\n4\n5\n6\n7\n",
      },
      {
        "src/oauth2.py": "early\n",
        "tests/oauth2.py": "early\n",
        "both.txt": "early\n2\n3\n4\n5\n6\n7\n",
      },
      {
        "src/oauth2.py": "late\n",
        "tests/oauth2.py": "late\n",
        "both.txt": "1\n2\n3\n4\n5\n6\nlate\n",
      },
    );
    expect((await mergeIntoBase(owner, early)).status).toBe("clean");
    const before = await gitInRepository(app, project, "rev-parse", "main");

    const merge = await mergeIntoBase(owner, late);
    const received = new Map(
      (
        await queryAsOwner<{ sha: string; at: Date }>(
          app,
          "select commit_sha as sha, received_at as at from received_commits",
        )
      ).map(({ sha, at }) => [sha, at.toISOString()]),
    );
    expect(merge).toMatchObject({
      status: "conflict_resolved",
      total_conflicts: 2,
      conflicts_resolved: ["src/oauth2.py", "tests/oauth2.py"],
    });
    for (const [index, path] of ["src/oauth2.py", "tests/oauth2.py"].entries()) {
      expect(merge.resolutions[index]).toEqual({
        paths: [path],
        kind: "modify/modify",
        winner: "source",
        rule: expect.stringContaining(late.branch_name) as string,
        source_time: received.get(commits.late.commit_sha),
        target_time: received.get(commits.early.commit_sha),
        loser_ref: `refs/keep/${merge.id}/target`,
      });
      expect(await show(project, path)).toBe("late");
    }
    // git merges this file cleanly: it contains both edits.
    expect(await show(project, "both.txt")).toBe("early\n2\n3\n4\n5\n6\nlate");
    const parents = await gitInRepository(app, project, "log", "-1", "--format=%P", "main");
    expect(parents).toBe(`${before} ${commits.late.commit_sha}`);
    expect(await gitInRepository(app, project, "rev-parse", `refs/keep/${merge.id}/target`)).toBe(
      before,
    );

    const params = { agent_id: late.agent_id };
    const { data: workspace } = await owner.api.workspaces.get({ params });
    expect(workspace.counts.conflicts_resolved).toBe(2);
    const kept = { ...params, merge_id: merge.id as string };
    expect((await owner.api.workspaces.merge({ params: kept })).data).toEqual(merge);
  });

  test("the order of the writes decides, not the order of the merges", async () => {
    const { project, early, late } = await makeConflict();
    await mergeIntoBase(owner, late);
    const merge = await mergeIntoBase(owner, early);
    expect(merge.resolutions).toMatchObject([
      { winner: "target", loser_ref: `refs/keep/${merge.id}/source` },
    ]);
    expect(await show(project, "f")).toBe("late");
  });

  test("a merge commit that only carries a change over does not make it newer", async () => {
    const { project, early, late } = await makeConflict();
    // This merge commit is received after both writes.
    await mergeIntoBase(owner, early);
    expect((await mergeIntoBase(owner, late)).resolutions).toMatchObject([{ winner: "source" }]);
    expect(await show(project, "f")).toBe("late");
  });

  test("of two commits received in the same millisecond, the later in sequence wins", async () => {
    const { project, early, late } = await makeConflict();
    await queryAsOwner(
      app,
      "update received_commits set received_at = now() where project_id = $1",
      [project.id],
    );
    await mergeIntoBase(owner, late);
    const merge = await mergeIntoBase(owner, early);
    const [resolution] = merge.resolutions;
    expect(resolution?.source_time).toBe(resolution?.target_time);
    expect(resolution).toMatchObject({ winner: "target" });
    expect(resolution?.rule).toContain("same millisecond");
    expect(await show(project, "f")).toBe("late");
  });

  test.each([
    { strategy: "source_wins", winner: "source", kept: "early" },
    { strategy: "target_wins", winner: "target", kept: "late" },
    { strategy: "newest_file_wins", winner: "target", kept: "late" },
  ] as const)("$strategy decides by its rule", async ({ strategy, winner, kept }) => {
    const { project, early, late } = await makeConflict();
    await mergeIntoBase(owner, late);
    const params = { agent_id: early.agent_id };
    // The request's strategy overrides the workspace's setting.
    const other = strategy === "source_wins" ? "target_wins" : "source_wins";
    await owner.api.workspaces.update({ params, body: { settings: { merge_strategy: other } } });
    const { data } = await owner.api.workspaces.createMerge({ params, body: { strategy } });
    expect(data).toMatchObject({ resolution_strategy: strategy, resolutions: [{ winner }] });
    expect(data.resolutions[0]?.rule).toMatch(new RegExp(`^${strategy}: `));
    expect(await show(project, "f")).toBe(kept);
  });

  test("a deletion counts as an edit, and a losing deletion has no reference", async () => {
    const project = await makeProjectWith(owner, orgId, { f: "base\n", g: "base\n" });
    const early = await workspaceIn(project);
    const late = await workspaceIn(project);
    await rm(join(folderOf(early), "f"));
    await commitFiles(owner, early, { g: "early\n" });
    await rm(join(folderOf(late), "g"));
    await commitFiles(owner, late, { f: "late\n" });
    await mergeIntoBase(owner, early);
    const merge = await mergeIntoBase(owner, late);
    expect(merge.resolutions).toMatchObject([
      { paths: ["f"], kind: "modify/delete", winner: "source", loser_ref: null },
      { paths: ["g"], kind: "modify/delete", winner: "source" },
    ]);
    expect(merge.resolutions[1]?.loser_ref).toBe(`refs/keep/${merge.id}/target`);
    expect(await gitInRepository(app, project, "ls-tree", "--name-only", "main")).toBe("f");
    expect(await show(project, "f")).toBe("late");
  });
});
