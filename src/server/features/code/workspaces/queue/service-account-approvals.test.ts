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
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
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

  test("are approved by others than the account and the maker of its key", async () => {
    const request = await queue(robot);
    const { account } = robot;
    const by = { type: "service_account", id: account.id, name: account.name };
    expect(request.requested_by).toEqual(by);
    await expect.poll(() => waiting(reviewer, request)).toBe(true);
    expect(await waiting(maker, request)).toBe(false);
    expect(await waiting(robot, request)).toBe(false);
    const own = await expectProblem(approve(robot, request), 403, "own_work");
    expect(own.detail).toContain("A service account cannot approve a merge");
    const refused = await expectProblem(approve(maker, request), 403, "own_work");
    expect(refused.detail).toContain("You made a key of the service account");
    await approve(reviewer, request);
    const done = await waitForRequest(owner, request.id);
    expect(done.status).toBe("merged");
    const { data: changes } = await owner.api.workspaces.mergeChanges({
      params: { agent_id: workspace.agent_id, merge_id: done.merge_id as string },
    });
    expect(changes.author).toEqual({ type: "service_account", name: account.name });
    const { data: events } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { action: "merge_request.created" },
    });
    expect(events[0]?.actor).toEqual({ ...by, api_key_id: robot.keyId });
  });

  test("of people cannot be approved by a service account either", async () => {
    const request = await queue(owner);
    await expectProblem(approve(robot, request), 403, "own_work");
    await approve(maker, request);
  });

  test("runs name the account that started them", async () => {
    const { data: run } = await robot.api.runs.create({
      params: { agent_id: workspace.agent_id },
      body: { external: true },
    });
    const { account } = robot;
    expect(run.started_by).toEqual({
      type: "service_account",
      id: account.id,
      name: account.name,
    });
  });
});
