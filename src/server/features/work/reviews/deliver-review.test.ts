import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  app,
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

test("a review whose prompt was not sent is sent later, once", async () => {
  const { id } = await create("tool");
  const task = await until(id, "in_review");
  const reviewId = randomUUID();
  const origin = {
    actor: { userId: owner.id, agent: null, key: null },
    ip: null,
    requestId: null,
  };
  // What a server leaves that was killed between the review and its prompt.
  await queryAsOwner(
    app,
    `insert into reviews (id, org_id, task_id, attempt_id, author, verdict, body, commit_sha, base_sha,
       prompt_state, origin, created_at)
     select $1, org_id, id, $3, $4, 'request_changes', 'Left behind.', $5, $5, 'pending', $6,
       now() - interval '1 hour'
     from tasks where id = $2`,
    [
      reviewId,
      id,
      task.attempts[0]?.id,
      JSON.stringify({ type: "user", id: owner.id, name: "Ada" }),
      await headOf(id),
      JSON.stringify(origin),
    ],
  );
  await expect.poll(async () => (await listed(id))[0]?.prompt).toBe("delivered");
  const prompts = await promptsOf(task);
  expect(prompts.filter((text) => text.includes("Left behind."))).toHaveLength(1);
}, 120_000);
