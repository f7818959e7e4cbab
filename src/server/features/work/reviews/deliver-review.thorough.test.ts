// Thorough: prompts of reviews while a program works, or that cannot be sent.
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { expectProblem } from "#test/support/server/app.js";
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

test("a request for changes waits for the end of the turn, or interrupts it", async () => {
  const { id } = await create("tool");
  await until(id, "in_review");
  const params = { task_id: id };
  await owner.api.tasks.prompt({ params, body: { text: "wait" } });
  await until(id, "working");
  const publish = async (interrupt: boolean) =>
    owner.api.reviews.publish({
      params,
      body: {
        verdict: "request_changes",
        body: `say ${interrupt ? "now" : "later"}`,
        commit_sha: await headOf(id),
        interrupt,
      },
    });
  expect((await publish(false)).data.prompt).toBe("waiting");
  await publish(true);
  await expect
    .poll(async () => (await listed(id)).map(({ prompt }) => prompt))
    .toEqual(["delivered", "delivered"]);
});

test("a request for changes that cannot be sent is not published", async () => {
  const { id } = await create("tool");
  const { attempts } = await until(id, "in_review");
  const params = { task_id: id };
  const commit_sha = await headOf(id);
  const body = { verdict: "request_changes" as const, body: "Again.", comments: [], commit_sha };
  await owner.api.reviews.saveDraft({ params, body });
  await owner.api.tasks.stop({ params });
  await queryAsOwner(
    app,
    `update task_attempts set launch = launch || '{"preset": "gemini"}' where id = $1`,
    [attempts[0]?.id],
  );
  await queryAsOwner(
    app,
    "update agent_sessions set closed_at = now(), status = 'closed' where id = $1",
    [attempts[0]?.session_id],
  );
  await queryAsOwner(app, `update task_attempts set launch = launch - 'command' where id = $1`, [
    attempts[0]?.id,
  ]);
  await expectProblem(owner.api.reviews.publish({ params, body }), 409, "program_missing");
  expect(await listed(id)).toEqual([]);
  expect((await owner.api.reviews.getDraft({ params })).data.body).toBe("Again.");
});

test("a suggestion ends the program that rests after its turn, and the next prompt starts it again", async () => {
  const { id } = await create("tool");
  await until(id, "in_review");
  const params = { task_id: id };
  const { data: review } = await owner.api.reviews.publish({
    params,
    body: {
      verdict: "request_changes",
      commit_sha: await headOf(id),
      comments: [{ path: "a.txt", line: 1, body: "Keep the old word.", suggestion: "a" }],
    },
  });
  await expect.poll(async () => (await listed(id))[0]?.prompt).toBe("delivered");
  await expect.poll(async () => (await get(id)).attempts[0]?.status).toBe("ready");
  const { data: applied } = await owner.api.threads.apply({
    params: { thread_id: review.thread_ids[0] as string },
  });
  expect(await headOf(id)).toBe(applied.commit_sha);
  await owner.api.tasks.prompt({ params, body: { text: "say Anything else?" } });
  await until(id, "needs_you");
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
  // The state that a server leaves if it is killed between the review and its prompt.
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
