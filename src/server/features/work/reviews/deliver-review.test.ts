import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Task, TaskStatus } from "#shared/api/work/tasks.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";

let app: TestApp;
let owner: TestPerson;
let project: Project;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
  const { id } = await makeOrganization(owner);
  project = await makeProjectWith(owner, id, { "a.txt": "a\n", "b.txt": "b\n" });
});
afterAll(() => app.close());

const create = async (body: string): Promise<Task> =>
  (
    await owner.api.tasks.create({
      params: { project_id: project.id },
      body: { body, command: acpAgent("load") },
    })
  ).data;
const get = async (id: string): Promise<Task> =>
  (await owner.api.tasks.get({ params: { task_id: id } })).data;

async function until(id: string, status: TaskStatus): Promise<Task> {
  await expect.poll(async () => (await get(id)).status).toBe(status);
  return get(id);
}

const headOf = async (task_id: string): Promise<string> =>
  (await owner.api.reviews.changes({ params: { task_id } })).data.commit_sha;
const listed = async (task_id: string) =>
  (await owner.api.reviews.list({ params: { task_id } })).data;

/** The prompts that a task's session was sent, oldest first. */
const promptsOf = async ({ attempts }: Task): Promise<string[]> =>
  (
    await queryAsOwner<{ text: string }>(
      app,
      `select data ->> 'text' as text from agent_session_inputs
       where session_id = $1 and kind = 'prompt' order by number`,
      [attempts[0]?.session_id],
    )
  ).map(({ text }) => text);

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
  // The program rests after its turn; a suggestion ends it, and the next prompt starts it again.
  await expect.poll(async () => (await get(id)).attempts[0]?.status).toBe("ready");
  const { data: applied } = await owner.api.threads.apply({
    params: { thread_id: review.thread_ids[0] as string },
  });
  expect(await headOf(id)).toBe(applied.commit_sha);
  await owner.api.tasks.prompt({ params, body: { text: "say Anything else?" } });
  await until(id, "needs_you");
});

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
