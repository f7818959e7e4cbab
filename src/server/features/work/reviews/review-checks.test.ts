import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { shell } from "#test/support/fixtures/runs.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

describe("checks of changes in review", () => {
  let app: TestApp;
  let owner: TestPerson;
  let reviewer: TestPerson;
  let org: Organization;
  let project: Project;

  beforeAll(async () => {
    app = await startTestApp({ OMOI_LOG_LEVEL: "error" }, "real");
    owner = await app.person("Ada");
    reviewer = await app.person("Grace");
    org = await makeOrganization(owner);
    await owner.api.members.add({
      params: { org_id: org.id },
      body: { user_id: reviewer.id, role_id: systemRoleIds.admin },
    });
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "1\n" });
  });

  const protect = async (script: string, approvals: number) => {
    await owner.api.mergeQueue.setCheck({
      params: { project_id: project.id, name: "test" },
      body: { command: shell(script) },
    });
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", checks: ["test"], approvals }] },
    });
  };
  /** Creates a task whose agent has ended its turn, and commits to its branch. */
  const review = async (files: Record<string, string>) => {
    const { data: task } = await owner.api.tasks.create({
      params: { project_id: project.id },
      body: { body: "say hello", preset: "custom", command: acpAgent(), network: "none" },
    });
    const params = { task_id: task.id };
    const read = async () => (await owner.api.tasks.get({ params })).data;
    await expect.poll(async () => (await read()).attention).not.toBeNull();
    const agent_id = task.attempts[0]?.agent_id ?? "";
    const { data: workspace } = await owner.api.workspaces.get({ params: { agent_id } });
    const { commit_sha: head } = await commitFiles(owner, workspace, files);
    await expect.poll(async () => (await read()).status).toBe("in_review");
    return { task, workspace, head };
  };
  type Reviewed = { task: { id: string }; workspace: Workspace; head: string };
  const checksOf = async ({ task }: Pick<Reviewed, "task">) =>
    (await reviewer.api.reviews.checks({ params: { task_id: task.id } })).data;
  const statusOf = async (made: Reviewed) => (await checksOf(made))[0]?.status;
  const runs = () =>
    queryAsOwner<{ run_id: string }>(
      app,
      "select run_id from commit_checks where project_id = $1 and status <> 'cancelled'",
      [project.id],
    );

  test("they begin with the review, and the queue uses their result", async () => {
    await protect("cat a.txt b.txt", 1);
    const made = await review({ "b.txt": "2\n" });
    await expect.poll(() => statusOf(made)).toBe("passed");
    const [first] = await checksOf(made);
    const { data: request } = await owner.api.tasks.merge({ params: { task_id: made.task.id } });
    expect(request.attempts[0]?.merge_request?.status).toBe("waiting_for_approval");
    const id = request.attempts[0]?.merge_request?.id ?? "";
    await expect
      .poll(async () => {
        const params = { merge_request_id: id };
        return (await reviewer.api.mergeQueue.get({ params })).data.checks;
      })
      .toMatchObject([{ name: "test", status: "passed", run_id: first?.run_id }]);
    await reviewer.api.reviews.publish({
      params: { task_id: made.task.id },
      body: { verdict: "approve", commit_sha: made.head },
    });
    expect(await waitForRequest(owner, id)).toMatchObject({
      status: "merged",
      checks: [{ status: "passed", run_id: first?.run_id }],
    });
    expect(await runs()).toHaveLength(1);
  });

  test("another commit is checked again, and checks of the one before are canceled", async () => {
    await protect("while test ! -e done.txt; do sleep 0.1; done", 1);
    const made = await review({ "b.txt": "2\n" });
    await expect.poll(() => statusOf(made)).toBe("running");
    await commitFiles(owner, made.workspace, { "done.txt": "yes\n" });
    await expect.poll(() => statusOf(made)).toBe("passed");
    const rows = await queryAsOwner<{ status: string }>(
      app,
      "select status from commit_checks where project_id = $1 order by id",
      [project.id],
    );
    expect(rows.map(({ status }) => status)).toEqual(["cancelled", "passed"]);
  });

  test("requests without a task are checked before they are approved, once", async () => {
    await protect("test ! -e bad.txt", 1);
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "bad.txt": "x\n" });
    const { data: request } = await owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { queue: true },
    });
    const params = { merge_request_id: request.id };
    const read = async () => (await reviewer.api.mergeQueue.get({ params })).data;
    await expect.poll(async () => (await read()).checks[0]?.status).toBe("failed");
    expect((await read()).status).toBe("waiting_for_approval");
    await reviewer.api.mergeQueue.approve({ params });
    expect(await waitForRequest(owner, request.id)).toMatchObject({ status: "rejected" });
  });

  test("a change that conflicts with its target is not checked", async () => {
    await protect("true", 0);
    const made = await review({ "a.txt": "mine\n" });
    await expect.poll(() => statusOf(made)).toBe("passed");
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "a.txt": "theirs\n" });
    const { data: request } = await owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { queue: true },
    });
    await waitForRequest(owner, request.id);
    await commitFiles(owner, made.workspace, { "a.txt": "mine again\n" });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await checksOf(made)).toEqual([]);
  });
});
