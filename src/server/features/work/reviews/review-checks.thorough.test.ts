// Thorough: checks that are canceled, repeated, or left out, each with runs of programs.
import { describe, expect, test } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import { commitFiles, makeWorkspace } from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import {
  app,
  owner,
  reviewer,
  project,
  protect,
  review,
  checksOf,
  statusOf,
  prepareReviewChecks,
} from "#test/support/fixtures/review-checks.js";

describe("checks of changes in review", () => {
  prepareReviewChecks();

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
