import { beforeAll, expect, test } from "vitest";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";

let app: TestApp;
let owner: TestPerson;
beforeAll(async () => {
  app = await sharedTestApp();
  owner = await app.person("owner");
});

test("a project lists its workspaces with unmerged work, and its merges, in pages", async () => {
  const { id } = await makeOrganization(owner);
  const project = await makeProject(owner, id);
  const params = { project_id: project.id };
  const made = [await makeWorkspace(owner, project.id), await makeWorkspace(owner, project.id)];
  const merges: (string | null)[] = [];
  for (const { workspace } of made) {
    await commitFiles(owner, workspace, { [`${workspace.agent_name}.txt`]: "x" });
    merges.unshift((await mergeIntoBase(owner, workspace)).id);
  }
  const last = made.at(-1)?.workspace;
  if (last) await commitFiles(owner, last, { "more.txt": "x" });
  const { data: workspaces } = await owner.api.workspaces.ofProject({ params, query: {} });
  const names = made.map(({ workspace }) => workspace.agent_name).toSorted();
  expect(workspaces.map(({ agent_name }) => agent_name)).toEqual(names);
  for (const { agent_id, status, unmerged_commits } of workspaces) {
    const unmerged = agent_id === last?.agent_id ? 1 : 0;
    expect([status, unmerged_commits]).toEqual(["active", unmerged]);
  }
  const { data: first, headers } = await owner.api.workspaces.mergesOfProject({
    params,
    query: { limit: 1 },
  });
  expect(first.map((merge) => merge.id)).toEqual(merges.slice(0, 1));
  expect(headers.get("link")).toContain('rel="next"');
  const { data: all } = await owner.api.workspaces.mergesOfProject({ params, query: {} });
  expect(all.map((merge) => merge.id)).toEqual(merges);
  expect(all[0]?.agent_name).toBe(last?.agent_name);
});
