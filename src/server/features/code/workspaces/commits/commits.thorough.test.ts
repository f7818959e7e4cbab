// Thorough: many commits at once by two servers.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { describeEachDriver } from "#test/support/git/folder-drivers.js";
import { gitInRepository } from "#test/support/git/git.js";

describeEachDriver("commits of a workspace", (driver) => {
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

  test("are created one after another if requested concurrently, and none is lost", async () => {
    const { project, workspace } = await workspaceOf();
    const sibling = await app.sibling();
    const apis = [owner.api, sibling.client(owner.token)];
    const made = await Promise.all(
      Array.from({ length: 12 }, async (_, number) => {
        await writeFiles(workspace, { [`file-${number}.txt`]: `${number}\n` });
        return (apis[number % 2] as typeof owner.api).workspaces.createCommit({
          params: { agent_id: workspace.agent_id },
          body: { commit_type: "validation" },
        });
      }),
    );
    await sibling.close();
    const created = made.filter(({ data }) => data.created).map(({ data }) => data);
    const log = await gitInRepository(
      app,
      project,
      "log",
      "--format=%H",
      `main..${workspace.branch_name}`,
    );
    expect(log.split("\n").sort()).toEqual(created.map(({ commit_sha }) => commit_sha).sort());
    expect(created.map(({ iteration }) => iteration).sort((a, b) => Number(a) - Number(b))).toEqual(
      created.map((_, index) => index + 1),
    );
    const files = await gitInRepository(
      app,
      project,
      "ls-tree",
      "--name-only",
      workspace.branch_name,
    );
    expect(files.split("\n")).toHaveLength(12);
  });

  test("an id in capitals names the same workspace and the same lock", async () => {
    const { project, workspace } = await workspaceOf();
    const { agent_id } = workspace;
    const made = await Promise.all(
      Array.from({ length: 8 }, async (_, number) => {
        await writeFiles(workspace, { [`file-${number}.txt`]: `${number}\n` });
        return owner.api.workspaces.createCommit({
          params: { agent_id: number % 2 === 0 ? agent_id : agent_id.toUpperCase() },
          body: { commit_type: "checkpoint" },
        });
      }),
    );
    const created = made.filter(({ data }) => data.created);
    const count = await gitInRepository(
      app,
      project,
      "rev-list",
      "--count",
      `main..${workspace.branch_name}`,
    );
    expect(Number(count)).toBe(created.length);
  });
});
