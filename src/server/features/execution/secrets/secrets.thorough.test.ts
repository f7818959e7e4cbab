// Thorough: a race of two servers.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { copySecret } from "#test/support/database/copy-secret.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

let app: TestApp;
let sibling: TestApp;
let owner: TestPerson;
let org: Organization;
let project: Project;
beforeAll(async () => {
  app = await startTestApp();
  sibling = await app.sibling();
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
});
afterAll(async () => {
  await sibling.close();
  await app.close();
});

const kind = "variable" as const;
const ofOrganization = {
  set: (name: string, value: string, api = owner.api) =>
    api.organizationSecrets.set({ params: { org_id: org.id, name }, body: { value, kind } }),
  list: () => owner.api.organizationSecrets.list({ params: { org_id: org.id } }),
  remove: (name: string) =>
    owner.api.organizationSecrets.delete({ params: { org_id: org.id, name } }),
};
const ofProject = {
  set: (name: string, value: string, api = owner.api) =>
    api.projectSecrets.set({ params: { project_id: project.id, name }, body: { value, kind } }),
  list: () => owner.api.projectSecrets.list({ params: { project_id: project.id } }),
  remove: (name: string) =>
    owner.api.projectSecrets.delete({ params: { project_id: project.id, name } }),
};

describe.each([
  ["an organization", ofOrganization],
  ["a project", ofProject],
] as const)("secrets of %s", (_owner, calls) => {
  test("two processes that set one at once leave one of the values, and a third secret is refused", async () => {
    const there = sibling.client(owner.token);
    await calls.set("SECRET_1", "x");
    await copySecret(app, org.id, 99);
    const both = await Promise.allSettled([
      calls.set("LAST", "one"),
      calls.set("LAST", "other", there),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    await calls.remove("LAST");
    const rivals = await Promise.allSettled([
      calls.set("LAST", "one"),
      calls.set("VERY_LAST", "other", there),
    ]);
    expect(rivals.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect((await calls.list()).data).toHaveLength(100);
  });
});
