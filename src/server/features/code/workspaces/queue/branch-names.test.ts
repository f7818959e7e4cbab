import { beforeAll, describe, expect, test } from "vitest";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProjectWith,
} from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { createGitKey, openCloneFactory } from "#test/support/git/clone.js";
import { expectProblem, sharedTestApp, type TestPerson } from "#test/support/server/app.js";

describe("the queue merges into no branch that could be taken for a protected one", () => {
  let owner: TestPerson;
  let projectId: string;
  let agentId: string;
  const protect = (...protected_branches: { pattern: string; approvals?: number }[]) =>
    owner.api.projects.update({ params: { project_id: projectId }, body: { protected_branches } });
  const queue = () =>
    owner.api.workspaces.createMerge({ params: { agent_id: agentId }, body: { queue: true } });

  beforeAll(async () => {
    const app = await sharedTestApp();
    owner = await app.person("owner");
    const org = await makeOrganization(owner);
    const project = await makeProjectWith(owner, org.id, { "a.txt": "1\n" });
    projectId = project.id;
    await protect();
    const clones = await openCloneFactory();
    const clone = await clones.clone(project.clone_url, await createGitKey(owner));
    expect((await clone.push("HEAD:refs/heads/Main")).code).toBe(0);
    await clones.dispose();
    agentId = (await makeAgent(owner, projectId)).id;
    const { data: workspace } = await owner.api.workspaces.create({
      params: { agent_id: agentId },
      body: { base_branch: "Main" },
    });
    await commitFiles(owner, workspace, { "a.txt": "2\n" });
  });

  test("when it is asked", async () => {
    await protect({ pattern: "main" });
    const { detail } = await expectProblem(queue(), 409, "branch_protected");
    expect(detail).toContain("differs by case alone from the protected branch main");
  });

  test("when the rules have changed since", async () => {
    await protect({ pattern: "Main", approvals: 1 });
    const { id, status, target_branch } = (await queue()).data;
    expect([status, target_branch]).toEqual(["waiting_for_approval", "Main"]);
    await protect({ pattern: "main" });
    const { status: end, reason } = await waitForRequest(owner, id);
    expect(end).toBe("rejected");
    expect(reason).toContain("differs by case alone from the protected branch main");
  });
});
