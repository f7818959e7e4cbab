import { beforeAll, describe, expect, test } from "vitest";
import type { ProjectGraph } from "#shared/api/code/graph.js";
import type { Project } from "#shared/api/code/projects.js";
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
} from "#test/support/fixtures/factories.js";
import { git, gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { sortNewestFirst } from "./order.js";

describe("the graph of a project", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  const read = async (project: Project, limit?: number): Promise<ProjectGraph> =>
    (
      await owner.api.graph.get({
        params: { project_id: project.id },
        query: limit === undefined ? {} : { limit },
      })
    ).data;
  /** Returns commits from git itself: ids and parents. */
  const inGit = async (project: Project, ...args: string[]): Promise<string[]> =>
    (await gitInRepository(app, project, "log", "--format=%H %P", ...args)).split("\n").toSorted();
  const lines = ({ commits }: ProjectGraph): string[] =>
    commits.map(({ sha, parents }) => [sha, ...parents].join(" ").padEnd(41)).toSorted();
  const padded = (rows: string[]): string[] => rows.map((row) => row.padEnd(41));
  /** Writes a commit outside the API with arbitrary dates. */
  const commitAs = (
    project: Project,
    message: string,
    parents: string[],
    date = "2024-01-01T00:00:00Z",
  ): Promise<string> =>
    git(
      [
        "--git-dir",
        repoPathOf(app, project),
        "commit-tree",
        "-m",
        message,
        ...parents.flatMap((parent) => ["-p", parent]),
        `${parents[0]}^{tree}`,
      ],
      {
        env: {
          GIT_AUTHOR_NAME: "Ann",
          GIT_AUTHOR_EMAIL: "ann@example.com",
          GIT_AUTHOR_DATE: date,
          GIT_COMMITTER_NAME: "Ann",
          GIT_COMMITTER_EMAIL: "ann@example.com",
          GIT_COMMITTER_DATE: date,
        },
      },
    );

  test("is git's history of a criss-cross, every child before its parents", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
    const { workspace } = await makeWorkspace(owner, project.id);
    const work = await commitFiles(owner, workspace, { "b.txt": "work\n" });
    const main = await gitInRepository(app, project, "rev-parse", "main");
    // Each side merges the other's earlier state: two merge bases.
    const onMain = await commitAs(project, "on main", [main]);
    const mainMerged = await commitAs(project, "main takes work", [onMain, work.commit_sha]);
    const workMerged = await commitAs(project, "work takes main", [work.commit_sha, onMain]);
    await gitInRepository(app, project, "update-ref", "refs/heads/main", mainMerged);
    await gitInRepository(
      app,
      project,
      "update-ref",
      `refs/heads/${workspace.branch_name}`,
      workMerged,
    );
    const bases = await gitInRepository(
      app,
      project,
      "merge-base",
      "--all",
      mainMerged,
      workMerged,
    );
    expect(bases.split("\n")).toHaveLength(2);

    const graph = await read(project);
    const names = graph.branches.map(({ name }) => name);
    expect(names.slice(0, 1)).toEqual(["main"]);
    expect(names).toContain(workspace.branch_name);
    expect(lines(graph)).toEqual(padded(await inGit(project, ...names)));
    const place = new Map(graph.commits.map(({ sha }, at) => [sha, at]));
    for (const { sha, parents } of graph.commits) {
      for (const parent of parents) {
        expect(place.get(sha)).toBeLessThan(place.get(parent) as number);
      }
    }
    const lineOf = (name: string) =>
      graph.commits.filter(({ branch }) => branch === name).map(({ sha }) => sha);
    const firstParents = async (...args: string[]) =>
      (await gitInRepository(app, project, "rev-list", "--first-parent", ...args)).split("\n");
    expect(lineOf("main").toSorted()).toEqual((await firstParents("main")).toSorted());
    expect(lineOf(workspace.branch_name)).toEqual(
      await firstParents(`${main}..${workspace.branch_name}`),
    );
    expect(graph.has_older).toBe(false);
  });

  test("reports each commit's owner, type and merge", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const checkpoint = await commitFiles(owner, workspace, { "b.txt": "1\n" });
    const validation = await commitFiles(owner, workspace, { "b.txt": "2\n" }, "validation");
    const merge = await mergeIntoBase(owner, workspace);
    const { data: sync } = await owner.api.workspaces.sync({ params });
    const { commits, branches } = await read(project);
    const of = (sha: string | null) => commits.find((commit) => commit.sha === sha);
    expect(branches).toContainEqual({
      name: workspace.branch_name,
      commit_sha: sync.merge_commit_sha,
      is_default: false,
      agent_id: agent.id,
      agent_name: agent.name,
    });
    expect(of(checkpoint.commit_sha)).toMatchObject({
      subject: `[Agent ${agent.name}] Checkpoint`,
      author_name: agent.name,
      agent_id: agent.id,
      commit_type: "checkpoint",
      branch: workspace.branch_name,
      merge: null,
    });
    expect(of(validation.commit_sha)).toMatchObject({ commit_type: "validation" });
    expect(of(merge.merge_commit_sha)).toMatchObject({
      branch: "main",
      agent_id: null,
      commit_type: null,
      merge: { id: merge.id, agent_id: agent.id, kind: "merge" },
    });
    expect(of(sync.merge_commit_sha)).toMatchObject({
      branch: workspace.branch_name,
      agent_id: agent.id,
      commit_type: "merge",
      merge: { id: sync.id, agent_id: agent.id, kind: "sync" },
    });
    expect(commits[0]?.sha).toBe(sync.merge_commit_sha);
  });

  test("has the requested length, reports more, and ignores forged dates", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
    const { workspace } = await makeWorkspace(owner, project.id);
    for (const text of ["1\n", "2\n", "3\n"]) {
      await commitFiles(owner, workspace, { "b.txt": text });
    }
    const whole = await read(project);
    const three = await read(project, 3);
    expect([three.commits.length, three.has_older]).toEqual([3, true]);
    expect(three.commits).toEqual(whole.commits.slice(0, 3));
    expect(whole.has_older).toBe(false);
    let main = await gitInRepository(app, project, "rev-parse", "main");
    for (const date of ["2099-01-01T00:00:00Z", "@999999999999 +0000"]) {
      main = await commitAs(project, "from the future", [main], date);
    }
    await gitInRepository(app, project, "update-ref", "refs/heads/main", main);
    const { commits } = await read(project);
    expect(commits.filter(({ subject }) => subject === "from the future")).toHaveLength(2);
    for (const { at } of commits) expect(Date.parse(at)).toBeLessThanOrEqual(Date.now());
    for (const limit of [0, 2001, 1.5]) {
      await expectProblem(read(project, limit), 422, "validation_failed");
    }
  });

  test("of an empty project is its first commit; a missing project is 404", async () => {
    const project = await makeProject(owner, orgId);
    const { commits, branches } = await read(project);
    expect(branches).toMatchObject([{ name: "main", is_default: true, agent_id: null }]);
    expect(commits).toMatchObject([{ parents: [], branch: "main" }]);
    await expectProblem(read({ ...project, id: orgId }), 404, "not_found");
  });

  test("shows an agent its readable branches", async () => {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "base\n" });
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const { workspace: other } = await makeWorkspace(owner, project.id);
    const own = await commitFiles(owner, workspace, { "b.txt": "own\n" });
    const foreign = await commitFiles(owner, other, { "c.txt": "foreign\n" });
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "of the agent", organization_id: orgId, agent_id: agent.id },
    });
    const { data: graph } = await app
      .client(key.key as string)
      .graph.get({ params: { project_id: project.id } });
    expect(graph.branches.map(({ name }) => name)).toEqual(["main", workspace.branch_name]);
    const shas = graph.commits.map(({ sha }) => sha);
    expect(shas).toContain(own.commit_sha);
    expect(shas).not.toContain(foreign.commit_sha);
  });
});

test("sorts unrelated commits newest first", () => {
  const commit = (sha: string, at: string, ...parents: string[]) => ({ sha, at, parents });
  const ordered = sortNewestFirst([
    commit("old", "1"),
    commit("tip-a", "5", "a"),
    commit("a", "9", "old"),
    commit("tip-b", "7", "b"),
    commit("b", "2", "old"),
  ]);
  expect(ordered.map(({ sha }) => sha)).toEqual(["tip-b", "tip-a", "a", "b", "old"]);
});
