// Thorough: further ways by which a person takes part in a service account's work.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { openCloneFactory } from "#test/support/git/clone.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { makeServiceAccount, type TestAccount } from "#test/support/fixtures/service-accounts.js";

describe("merges of service accounts", () => {
  let app: TestApp;
  let owner: TestPerson;
  /** Made the key of the service account. */
  let maker: TestPerson;
  let reviewer: TestPerson;
  let robot: TestAccount;
  let org: Organization;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("Ada");
    org = await makeOrganization(owner);
    const join = async (name: string) => {
      const person = await app.person(name);
      const body = { user_id: person.id, role_id: systemRoleIds.admin };
      await owner.api.members.add({ params: { org_id: org.id }, body });
      return person;
    };
    maker = await join("Mary");
    reviewer = await join("Grace");
  });
  beforeEach(async () => {
    robot = await makeServiceAccount(app, maker, org.id);
    project = await makeProjectWith(owner, org.id, { "a.txt": "1\n" });
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
    });
    ({ workspace } = await makeWorkspace(owner, project.id));
    await commitFiles(owner, workspace, { "a.txt": "2\n" });
  });

  const queue = async ({ api }: Pick<TestPerson, "api">): Promise<MergeRequest> =>
    (
      await api.workspaces.createMerge({
        params: { agent_id: workspace.agent_id },
        body: { queue: true },
      })
    ).data;
  const waiting = async ({ api }: Pick<TestPerson, "api">, { id }: MergeRequest) => {
    const { data } = await api.overview.attention({ params: { org_id: org.id } });
    return data.some((item) => item.type === "merge_request" && item.merge_request_id === id);
  };
  const approve = ({ api }: Pick<TestPerson, "api">, { id }: MergeRequest) =>
    api.mergeQueue.approve({ params: { merge_request_id: id } });

  test("the maker of a key that was revoked before the request can approve it", async () => {
    const { data } = await reviewer.api.serviceAccounts.createKey({
      params: { org_id: org.id, service_account_id: robot.account.id },
      body: { name: "earlier" },
    });
    await reviewer.api.serviceAccounts.revokeKey({
      params: { org_id: org.id, service_account_id: robot.account.id, key_id: data.id },
    });
    const request = await queue(robot);
    // The rotation replaces the maker of the key, but not who made it when it was used.
    await owner.api.serviceAccounts.rotateKey({
      params: { org_id: org.id, service_account_id: robot.account.id, key_id: robot.keyId },
    });
    await expectProblem(approve(maker, request), 403, "own_work");
    await approve(reviewer, request);
  });

  test("the maker of an account that made the account cannot approve it", async () => {
    const first = await makeServiceAccount(app, maker, org.id, { role: "admin" });
    const second = await makeServiceAccount(app, { ...maker, api: first.api }, org.id);
    const request = await queue(second);
    await expect.poll(() => waiting(reviewer, request)).toBe(true);
    expect(await waiting(maker, request)).toBe(false);
    await expectProblem(approve(maker, request), 403, "own_work");
    await approve(reviewer, request);
  });

  test("a push by the account counts as one of the maker of its key", async () => {
    const clones = await openCloneFactory();
    const clone = await clones.clone(
      project.clone_url,
      robot.key,
      "--branch",
      workspace.branch_name,
    );
    await clone.commit({ "pushed.txt": "x\n" });
    expect((await clone.push(workspace.branch_name)).code).toBe(0);
    await clones.dispose();
    const request = await queue(owner);
    await expect.poll(() => waiting(reviewer, request)).toBe(true);
    expect(await waiting(maker, request)).toBe(false);
    const refused = await expectProblem(approve(maker, request), 403, "own_work");
    expect(refused.detail).toContain("You pushed to the branch of this merge");
    await approve(reviewer, request);
  });
});
