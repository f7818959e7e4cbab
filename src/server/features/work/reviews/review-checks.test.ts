import { describe, expect, test } from "vitest";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import {
  owner,
  reviewer,
  protect,
  review,
  checksOf,
  statusOf,
  runs,
  prepareReviewChecks,
} from "#test/support/fixtures/review-checks.js";

describe("checks of changes in review", () => {
  prepareReviewChecks();

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
});
