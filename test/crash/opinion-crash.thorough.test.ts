import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Opinion } from "#shared/api/work/opinions.js";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import { answering, installReviewers, type Reviewers } from "../support/fixtures/reviewers.js";
import { RestartableServer } from "../support/crash/restartable-server.js";

/** A second opinion whose server is killed between the request and the review. */
let reviewers: Reviewers;
let server: RestartableServer;
beforeAll(async () => {
  reviewers = await installReviewers();
  server = new RestartableServer({ OMOI_SANDBOX_READONLY: reviewers.folder });
  await server.open();
  await server.createProject({ max_concurrent_agents: 10 });
});
afterAll(async () => {
  await server.close();
  await reviewers.remove();
});
vi.setConfig({ testTimeout: 300_000 });

test("an opinion of a killed server runs again, and is published once", async () => {
  await server.api.organizationSecrets.set({
    params: { org_id: server.project.organization_id, name: "ANTHROPIC" },
    body: { kind: "model", provider: "anthropic", value: "sk-ant-of-the-test-0123456789" },
  });
  const { data: task } = await server.api.tasks.create({
    params: { project_id: server.project.id },
    body: { body: "write a.txt one two", command: acpAgent("load") },
  });
  const params = { task_id: task.id };
  await expect
    .poll(async () => (await server.api.tasks.get({ params })).data.status)
    .toBe("in_review");
  await reviewers.script("await new Promise((resolve) => setTimeout(resolve, 600_000));");
  const { data: asked } = await server.api.opinions.ask({
    params,
    body: { preset: "claude-code" },
  });
  const get = async (): Promise<Opinion> =>
    (await server.api.opinions.get({ params: { opinion_id: asked.id } })).data;
  const until = (status: Opinion["status"]) =>
    expect.poll(async () => (await get()).status, { timeout: 120_000 }).toBe(status);
  await until("running");
  const { run_id: first } = await get();
  await server.kill();
  await reviewers.script(
    answering({
      verdict: "request_changes",
      body: "Two lines.",
      comments: [{ path: "a.txt", line: 2, body: "Why two?" }],
    }),
  );
  await server.start();
  await until("done");
  const opinion = await get();
  expect(opinion).toMatchObject({ verdict: "request_changes", open_threads: 1 });
  expect(opinion.run_id).not.toBe(first);
  const { data: reviews } = await server.api.reviews.list({ params });
  expect(reviews).toMatchObject([{ opinion_id: asked.id }]);
  const { data: lost } = await server.api.runs.get({ params: { run_id: first as string } });
  expect(lost).toMatchObject({ kind: "review", status: "lost" });
});
