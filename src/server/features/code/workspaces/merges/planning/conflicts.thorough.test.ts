// Thorough: further kinds of conflicts and strategies.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import {
  commitToRepository,
  git,
  gitInRepository,
  makeRepository,
  makeTempFolder,
} from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { waitUntilReady } from "#test/support/fixtures/projects.js";

describe("conflicts of a merge", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let sources: string;
  beforeAll(async () => {
    sources = await makeTempFolder();
    app = await startTestApp({ OMOI_IMPORT_ROOTS: sources });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(async () => {
    await app.close();
    await rm(sources, { recursive: true, force: true });
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

  test("claimed commit dates are ignored: imported history is as old as its import", async () => {
    const folder = join(sources, "dated");
    await makeRepository(folder, { f: "base\n" });
    await git(["checkout", "--quiet", "-b", "future"], { cwd: folder });
    await commitToRepository(folder, { f: "from the future\n" }, "2099-01-01T00:00:00Z");
    await git(["checkout", "--quiet", "main"], { cwd: folder });
    const { data: project } = await owner.api.projects.create({
      body: { organization_id: orgId, name: "Dated", import_url: `file://${folder}` },
    });
    await waitUntilReady(owner, project.id);
    const workspace = await workspaceIn(project);
    await commitFiles(owner, workspace, { f: "now\n" });
    const { data } = await owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { target_branch: "future" },
    });
    expect(data.resolutions).toMatchObject([{ winner: "source" }]);
    const times = data.resolutions[0];
    const [imported] = await queryAsOwner<{ at: Date }>(
      app,
      "select imported_at as at from projects where id = $1",
      [project.id],
    );
    expect(times?.target_time).toBe(imported?.at.toISOString());
    expect(await gitInRepository(app, project, "show", "future:f")).toBe("now");
  });

  test("the winner's binary file is taken whole", async () => {
    const { project, early, late } = await makeConflict(
      { "logo.png": "\u0000base\n" },
      { "logo.png": "\u0000early\n" },
      { "logo.png": "\u0000late\n" },
    );
    await mergeIntoBase(owner, late);
    const merge = await mergeIntoBase(owner, early);
    expect(merge.resolutions).toMatchObject([{ kind: "binary", winner: "target" }]);
    expect(await show(project, "logo.png")).toBe("\u0000late");
  });

  test("git can fetch the losing version by its reference", async () => {
    const { project, early, late } = await makeConflict();
    await mergeIntoBase(owner, late);
    const merge = await mergeIntoBase(owner, early);
    const loserRef = merge.resolutions[0]?.loser_ref as string;
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "git" } });
    const clone = join(await makeTempFolder(), "clone");
    const url = project.clone_url.replace("http://", `http://x:${key.key}@`);
    await git(["clone", "--quiet", url, clone]);
    await git(["fetch", "--quiet", "origin", loserRef], { cwd: clone });
    expect(await git(["show", "FETCH_HEAD:f"], { cwd: clone })).toBe("early");
    expect(await git(["show", "origin/main:f"], { cwd: clone })).toBe("late");
    await rm(join(clone, ".."), { recursive: true });
  });
});
