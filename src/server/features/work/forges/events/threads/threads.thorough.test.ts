import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeLinkedProject, type LinkedProject } from "#test/support/forges/linked-project.js";
import { openRequest } from "#test/support/forges/open-request.js";

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

const slowly = { timeout: 60_000 };

describe.each(["github", "gitlab", "gitea"] as const)("a thread on %s", (kind) => {
  test("that is published here appears there, is answered there, and goes on here", async () => {
    world = await makeLinkedProject(owner, kind, "webhook");
    const { shop, double } = world;
    const { taskId, request, pull } = await openRequest(owner, world, "write a.txt a B c");
    const params = { task_id: taskId };
    const publish = (path: string, line: number, side: "old" | "new", body: string) =>
      owner.api.reviews.publish({
        params,
        body: {
          verdict: "comment",
          commit_sha: request.head_sha ?? "",
          comments: [{ path, line, side, body }],
        },
      });
    await publish("a.txt", 2, "new", "Why large, @everyone?");
    await expect.poll(() => pull.threads.length, slowly).toBe(1);
    const [thread] = pull.threads;
    if (!thread) throw new Error("no thread");
    expect(thread).toMatchObject({ path: "a.txt", line: 2, side: "new", isResolved: false });
    // A person's words are sent as they are, with their name: the account is the connection's.
    expect(thread.comments).toMatchObject([{ login: "omoi-bot" }]);
    expect(thread.comments[0]?.body).toContain("**Ada**: Why large, @everyone?");

    shop.reply(pull, thread, "lead", "By mistake.");
    const here = async () => (await owner.api.threads.list({ params })).data;
    await expect
      .poll(async () => (await here()).map(({ comments }) => comments.length), slowly)
      .toEqual([2]);
    const [known] = await here();
    expect(known?.comments).toMatchObject([
      { body: "Why large, @everyone?", author: { name: "Ada" } },
      { body: "By mistake.", author: { name: "Ada", id: owner.id } },
    ]);
    const at = { params: { thread_id: known?.id ?? "" } };
    await owner.api.threads.reply({ ...at, body: { body: "Then mend it." } });
    await expect.poll(() => thread.comments.length, slowly).toBe(3);
    expect(thread.comments[2]?.body).toContain("Then mend it.");
    await owner.api.threads.update({ ...at, body: { resolved: true } });
    await expect.poll(() => thread.isResolved, slowly).toBe(true);

    await publish("a.txt", 2, "old", "It was small.");
    await expect.poll(() => pull.threads.length, slowly).toBe(2);
    expect(pull.threads[1]).toMatchObject({ path: "a.txt", line: 2, side: "old" });
    // What comes back as an event is known, and is not repeated.
    await double.outbox.idle();
    await expect
      .poll(async () => (await world.deliveries()).filter(({ status }) => status === "pending"))
      .toEqual([]);
    expect((await here()).map(({ comments }) => comments.length)).toEqual([3, 1]);
    expect(pull.threads.map(({ comments }) => comments.length)).toEqual([3, 1]);
  });
});
