import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeLinkedProject, type LinkedProject } from "#test/support/forges/linked-project.js";

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

const settled = async () =>
  expect
    .poll(async () => (await world.deliveries()).filter(({ status }) => status === "pending"))
    .toEqual([]);
/** Has the linked repository read now. */
const readNow = (): Promise<unknown> =>
  queryAsOwner(app, "update project_repositories set poll_at = now() where project_id = $1", [
    world.project.id,
  ]);
const baseline = () =>
  expect
    .poll(async () => {
      const [row] = await queryAsOwner(
        app,
        "select first_issues from project_repositories where project_id = $1",
        [world.project.id],
      );
      return (row as { first_issues: number | null }).first_issues;
    })
    .not.toBeNull();

describe.each(["github", "gitlab", "gitea"] as const)("polling %s", (kind) => {
  test("starts tasks from labels and assignments of permitted people, without an open port", async () => {
    world = await makeLinkedProject(owner, kind, "polling");
    const { shop, double, automate } = world;
    await automate("issue.labeled", { create: "say {{event.label}}?" });
    await automate("issue.assigned", { create: "say {{event.assignee}}?" });
    await baseline();
    expect(double.outbox.hooks).toEqual([]);
    const labeled = shop.openIssue("Labeled");
    const assigned = shop.openIssue("Assigned");
    const stranger = shop.openIssue("Of a stranger");
    shop.changeIssue(labeled, { label: "omoi" });
    shop.changeIssue(assigned, { assignee: "omoi-bot" });
    shop.changeIssue(stranger, { label: "omoi" }, "stranger");
    await readNow();
    await expect.poll(async () => (await world.tasks()).length).toBe(2);
    await settled();
    const all = await world.deliveries();
    expect(all.map(({ event, login, decision }) => `${event} ${login} ${decision}`).sort()).toEqual(
      [
        "issue.assigned lead started",
        "issue.labeled lead started",
        "issue.labeled stranger ignored",
      ],
    );
    await expect.poll(() => labeled.comments.length).toBe(1);
    await readNow();
    await settled();
    expect(await world.tasks()).toHaveLength(2);
  });
});

describe("a forge", () => {
  test("that is down delays its events, and loses none", async () => {
    world = await makeLinkedProject(owner, "github", "webhook");
    const { shop, double, automate } = world;
    await automate("issue.labeled", { create: "say Hello?" });
    double.fault = ({ path }) =>
      path.includes("/issues") ? { status: 503, body: { message: "Down" } } : null;
    const issue = shop.openIssue("Prices");
    shop.changeIssue(issue, { label: "omoi" });
    await double.outbox.idle();
    await expect
      .poll(async () => (await world.deliveries()).map(({ reason }) => reason))
      .toEqual(expect.arrayContaining([expect.stringContaining("503")]));
    double.fault = () => null;
    await expect.poll(async () => (await world.tasks()).length).toBe(1);
    await settled();
  });

  test("that hides an issue says so, and history from before the link starts nothing", async () => {
    world = await makeLinkedProject(owner, "gitea", "webhook");
    const { shop, double, automate, project, forge } = world;
    await automate("issue.labeled", { create: "say Hello?" });
    const old = shop.openIssue("Old");
    shop.changeIssue(old, { label: "bug" }, "stranger");
    await double.outbox.idle();
    await settled();
    // Linked again, as to another repository.
    shop.changeIssue(old, { label: "omoi" }, "stranger");
    await double.outbox.idle();
    await settled();
    await owner.api.upstreams.linkRepository({
      params: { project_id: project.id },
      body: { forge_id: forge.id, repository: "acme/shop" },
    });
    await baseline();
    shop.comment(old, "lead", "An old one.");
    const gone = shop.openIssue("Gone");
    shop.issues.splice(shop.issues.indexOf(gone), 1);
    await double.outbox.idle();
    await settled();
    const all = await world.deliveries();
    expect(all.find(({ number }) => number === gone.number)?.reason).toContain("finds nothing");
    expect(await world.tasks()).toEqual([]);
  });

  test("gets each comment once, though the answer to the first try was lost", async () => {
    world = await makeLinkedProject(owner, "github", "webhook");
    const { shop, double, automate } = world;
    await automate("issue.labeled", { create: "say Hello?" });
    const issue = shop.openIssue("Prices");
    let lost = 0;
    double.fault = ({ method, path, body, login }) => {
      if (method !== "POST" || !path.endsWith("/comments") || lost > 0) return null;
      lost += 1;
      shop.comment(issue, login, String(body["body"]));
      return { status: 502, body: { message: "Bad gateway" } };
    };
    shop.changeIssue(issue, { label: "omoi" });
    await expect.poll(() => lost).toBe(1);
    await queryAsOwner(app, "update forges set retry_at = null where id = $1", [world.forge.id]);
    await queryAsOwner(app, "update task_issues set retry_at = null where project_id = $1", [
      world.project.id,
    ]);
    await expect.poll(() => issue.comments[0]?.body).toContain("It needs a person.");
    expect(issue.comments.filter(({ body }) => body.includes("omoi:task"))).toHaveLength(1);
  });

  test("shows what an agent asks, and takes a reply as the answer, once", async () => {
    world = await makeLinkedProject(owner, "gitlab", "webhook");
    const { shop, automate } = world;
    await automate("issue.labeled", { create: "say Shall I ask @everyone?" });
    const issue = shop.openIssue("Prices");
    shop.changeIssue(issue, { label: "omoi" });
    await expect.poll(() => issue.comments.length).toBe(2);
    expect(issue.comments[1]?.body).toContain("Shall I ask");
    expect(issue.comments[1]?.body).not.toContain("@everyone");
    shop.comment(issue, "stranger", "say Yes?");
    shop.comment(issue, "lead", "write answer.txt yes");
    const [task] = await world.tasks();
    const at = { params: { task_id: task?.id ?? "" } };
    await expect.poll(async () => (await owner.api.tasks.get(at)).data.status).toBe("in_review");
    await settled();
    const all = await world.deliveries();
    expect(all.filter(({ decision }) => decision === "answered")).toMatchObject([
      { login: "lead" },
    ]);
    expect(all.find(({ login }) => login === "stranger")?.reason).toContain("no write access");
  });
});
