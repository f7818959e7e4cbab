import { expect, test } from "vitest";
import {
  owner,
  create,
  get,
  until,
  headOf,
  listed,
  promptsOf,
  prepareDeliveredReviews,
} from "#test/support/fixtures/delivered-reviews.js";

prepareDeliveredReviews();

test("a request for changes becomes the agent's next prompt, with the code around each comment", async () => {
  const { id } = await create("tool");
  await until(id, "in_review");
  const params = { task_id: id };
  const { data: review } = await owner.api.reviews.publish({
    params,
    body: {
      verdict: "request_changes",
      body: "Not yet.",
      commit_sha: await headOf(id),
      comments: [
        { path: "a.txt", line: 1, body: "Keep the old word.", suggestion: "a" },
        { path: "b.txt", body: "Should this change, too?" },
      ],
    },
  });
  expect(["waiting", "delivered"]).toContain(review.prompt);
  await expect.poll(async () => (await listed(id))[0]?.prompt).toBe("delivered");
  const task = await get(id);
  const [, prompt = ""] = await promptsOf(task);
  for (const part of [
    "Ada has reviewed your work on task #1",
    "Not yet.",
    "a.txt, line 1",
    "> 1 | new",
    "Ada: Keep the old word.",
    "Suggested text for these lines:\n```\na\n```",
    "b.txt, the whole file",
    ...review.thread_ids,
    "reply_to_thread",
    "omoi review reply",
  ]) {
    expect(prompt).toContain(part);
  }
});
