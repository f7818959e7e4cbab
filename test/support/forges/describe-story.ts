/** From an issue to the merged change, on each kind of forge. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { expectProblem, startTestApp, type TestApp, type TestPerson } from "../server/app.js";
import { type DoubleKind, makeLinkedProject, type LinkedProject } from "./linked-project.js";

export function describeStory(kinds: readonly DoubleKind[]): void {
  let app: TestApp;
  let owner: TestPerson;
  let world: LinkedProject;
  beforeAll(async () => {
    app = await startTestApp(
      {
        OMOI_FORGE_PRIVATE_HOSTS: "true",
        OMOI_SANDBOX: "required",
        OMOI_RUN_STOP_GRACE_SECONDS: "1",
        OMOI_LOG_LEVEL: "error",
      },
      "real",
    );
    owner = await app.person("Ada");
  });
  afterAll(() => app.close());
  afterEach(async () => {
    expect(world.double.violations).toEqual([]);
    await world.double.close();
  });

  const taskOf = async (id: string) =>
    (await owner.api.tasks.get({ params: { task_id: id } })).data;

  describe.each(kinds)("an issue on %s", (kind) => {
    test("becomes a task, whose pull request is reviewed, checked and merged there", async () => {
      world = await makeLinkedProject(owner, kind, "webhook");
      const { shop, double, automate } = world;
      await automate("issue.labeled", { create: "write total.ts {{event.issue.number}}" });
      await automate("pull_request.review_submitted", {
        prompt: "write review.txt {{event.review.author}}",
      });
      await automate("pull_request.check_failed", { prompt: "write log.txt {{event.check.name}}" });
      const issue = shop.openIssue("Round half cents", "Please, @everyone.");
      shop.changeIssue(issue, { label: "omoi" });
      await expect.poll(() => issue.comments.length).toBe(1);
      const [task] = await world.tasks();
      expect(task).toMatchObject({ title: "Round half cents", source: { kind: "forge_issue" } });
      const id = task?.id ?? "";
      expect(issue.comments[0]?.body).toContain(`/tasks/${id})`);
      const started = (await world.deliveries()).find(({ decision }) => decision === "started");
      expect(started).toMatchObject({ number: issue.number, login: "lead", task_number: 1 });
      await expect.poll(async () => (await taskOf(id)).status).toBe("in_review");

      const open = () => owner.api.pullRequests.open({ params: { task_id: id }, body: {} });
      double.fault = () => ({ status: 503, body: { message: "Down for maintenance" } });
      await expectProblem(open(), 422, "forge_unreachable");
      double.fault = () => null;
      const { data: request } = await open();
      await expect.poll(() => issue.comments[0]?.body).toContain("ready for review");
      const pull = shop.pull(request.number ?? 0);
      if (!pull) throw new Error("no pull request");
      const place = {
        path: "total.ts",
        startLine: null,
        side: "new" as const,
        sha: request.head_sha ?? "",
      };
      shop.openThread(pull, "lead", { ...place, line: 1 }, "Why this number?");
      await expect.poll(async () => shop.sha(request.head)).not.toBe(request.head_sha);
      const { data: threads } = await owner.api.threads.list({ params: { task_id: id } });
      expect(threads).toMatchObject([
        {
          path: "total.ts",
          line: 1,
          comments: [{ body: "Why this number?", author: { name: "Ada" } }],
        },
      ]);

      await double.outbox.idle();
      const fixed = (await shop.sha(request.head)) ?? "";
      shop.report(fixed, {
        name: "build",
        status: "failure",
        url: "https://ci.example.com/1",
        log: "boom",
      });
      await expect.poll(async () => shop.sha(request.head)).not.toBe(fixed);
      const files = await shop.files(request.head);
      expect(files).toEqual(expect.arrayContaining(["log.txt", "review.txt", "total.ts"]));

      await shop.merge(pull, "squash");
      await expect.poll(async () => (await taskOf(id)).status).toBe("done");
      await expect.poll(() => issue.comments[0]?.body).toContain("It is done.");
      expect(issue.comments).toHaveLength(1);
    });
  });
}
