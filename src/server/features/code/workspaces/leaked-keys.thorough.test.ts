// Thorough: every place where a key may be, and large files.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";

describe("a valid API key is kept out of commits", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n", "src/b.txt": "b\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
  });

  const at = () => ({ agent_id: workspace.agent_id });
  const commit = (message?: string) =>
    owner.api.workspaces.createCommit({
      params: at(),
      body: { commit_type: "checkpoint", ...(message === undefined ? {} : { message }) },
    });
  const newKey = async (by = owner, scope: { organization_id?: string } = {}) => {
    const { data } = await by.api.apiKeys.create({ body: { name: "CI", ...scope } });
    return { id: data.id, text: data.key as string, params: { key_id: data.id } };
  };
  const tip = () =>
    gitInRepository(app, project, "rev-parse", `refs/heads/${workspace.branch_name}`);

  test.each([
    ["a new file", "conf/.env", "A=1\nTOKEN=%\n", 2],
    ["a changed file", "src/b.txt", "b\n\n\n(%)", 4],
    ["bytes that are no text", "blob.bin", "\0\u0001\n%\0", 2],
    ["a large file", "large.txt", `${"x".repeat(99)}\n`.repeat(30_000) + "%", 30_001],
  ])("in %s", async (_what, path, text, line) => {
    const { text: key, params } = await newKey();
    const before = await tip();
    await writeFiles(workspace, { [path]: text.replace("%", key), "other.txt": "other\n" });
    const problem = await expectProblem(commit(), 422, "leaked_key");
    expect(problem).toMatchObject({ path, line });
    expect(JSON.stringify(problem)).not.toContain(key);
    expect(await tip()).toBe(before);
    // A second attempt is rejected as well, also after the changes were listed.
    await owner.api.workspaces.changes({ params: at() });
    await expectProblem(commit(), 422, "leaked_key");
    await expectProblem(owner.api.workspaces.createMerge({ params: at() }), 422, "leaked_key");
    expect(await tip()).toBe(before);
    expect(await readFile(join(folderOf(workspace), path), "utf8")).toContain(key);
    // A revoked key is only text.
    await owner.api.apiKeys.revoke({ params });
    expect((await commit()).data.created).toBe(true);
  });
});
