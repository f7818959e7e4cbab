// Thorough: two dozen merges at once by two servers.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("merging a workspace", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());

  const head = (project: { id: string; organization_id: string }, branch: string) =>
    gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);

  test("concurrent merges in two processes all reach the branch", async () => {
    const project = await makeProjectWith(owner, orgId, { "shared.txt": "base\n" });
    const sibling = await app.sibling();
    const workspaces = [];
    for (let number = 0; number < 24; number += 1) {
      const { workspace } = await makeWorkspace(owner, project.id);
      const files = { [`own-${number}.txt`]: `${number}\n`, "shared.txt": `by ${number}\n` };
      await commitFiles(owner, workspace, files);
      workspaces.push(workspace);
    }
    const before = await head(project, "main");
    const apis = [owner.api, sibling.client(owner.token)];
    const merged = await Promise.all(
      workspaces.map((workspace, number) =>
        (apis[number % 2] as typeof owner.api).workspaces.createMerge({
          params: { agent_id: workspace.agent_id },
        }),
      ),
    );
    await sibling.close();
    const chain = await gitInRepository(
      app,
      project,
      "log",
      "--first-parent",
      "--format=%H",
      `${before}..main`,
    );
    expect(chain.split("\n").sort()).toEqual(
      merged.map(({ data }) => String(data.merge_commit_sha)).sort(),
    );
    // In any order of merges the last write wins, and every workspace's own file exists.
    expect(await gitInRepository(app, project, "show", "main:shared.txt")).toBe("by 23");
    const files = await gitInRepository(app, project, "ls-tree", "--name-only", "main");
    expect(files.split("\n")).toHaveLength(25);
    expect(await queryAsOwner(app, "select 1 from merges where state <> 'done'")).toEqual([]);
  });
});
