import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import type { ApiRequest, ForgeDouble } from "../support/forges/forge-double.js";
import { startGitea } from "../support/forges/gitea/gitea-double.js";
import type { DoubleIssue } from "../support/forges/records.js";
import type { DoubleRepository } from "../support/forges/repository.js";

/** What the server writes on a forge, with the server killed once the forge has done it and before its answer. */
const token = "a-token-of-the-forge-0123456789";
const server = new RestartableServer({ OMOI_FORGE_PRIVATE_HOSTS: "true" });
let forge: ForgeDouble;
let shop: DoubleRepository;
let projectId: string;
beforeAll(async () => {
  await server.open();
  await server.createProject();
  forge = await startGitea();
  forge.tokens.set(token, { login: "omoi-bot", reach: null });
  shop = await forge.addRepository("acme/shop", { "a.txt": "a\n" });
  shop.permissions.set("omoi-bot", "admin");
});
afterAll(async () => {
  await server.close();
  await forge.close();
});
vi.setConfig({ testTimeout: 600_000, hookTimeout: 180_000 });

const slowly = { timeout: 120_000 };
const taskOf = async (id: string): Promise<Task> =>
  (await server.api.tasks.get({ params: { task_id: id } })).data;

/** A project of the double whose labeled issues become tasks. */
async function prepare(): Promise<void> {
  const org_id = server.project.organization_id;
  const { data: connection } = await server.api.forges.create({
    params: { org_id },
    body: { kind: "gitea", url: forge.url, token, delivery: "polling" },
  });
  const { data: me } = await server.api.auth.me();
  await server.api.forgePeople.set({
    params: { org_id, forge_id: connection.id, login: "lead" },
    body: { user_id: me.id },
  });
  const { data: project } = await server.api.projects.create({
    body: {
      organization_id: org_id,
      name: "Shop",
      forge_id: connection.id,
      repository: "acme/shop",
    },
  });
  projectId = project.id;
  const params = { project_id: projectId };
  await expect
    .poll(async () => (await server.api.projects.get({ params })).data.status, slowly)
    .toBe("ready");
  const { data: defaults } = await server.api.automations.list({ params });
  for (const { id } of defaults) {
    await server.api.automations.delete({ params: { ...params, automation_id: id } });
  }
  await server.api.automations.create({
    params,
    body: {
      name: "Start",
      triggers: [{ type: "forge", events: ["issue.labeled"] }],
      action: {
        type: "create_task",
        title: "{{event.issue.title}}",
        body: "say Hello.",
        preset: "custom",
        command: acpAgent("load"),
      },
    },
  });
  await expect
    .poll(async () => {
      const [row] = await server.query<{ first_issues: number | null }>(
        `select first_issues from project_repositories where project_id = '${projectId}'`,
      );
      return row?.first_issues ?? null;
    }, slowly)
    .not.toBeNull();
}

/** Kills the server once the forge has carried out the next request that is meant, and starts it again. */
async function killedAfter(
  isMeant: (request: ApiRequest) => boolean,
  cause: () => Promise<unknown>,
): Promise<void> {
  let isKilled = false;
  forge.done = (request) => {
    if (isKilled || !isMeant(request)) return;
    isKilled = true;
    server.signal("SIGKILL");
  };
  // It may end while it is being asked.
  await cause().catch((error: unknown) => {
    if (!isKilled) throw error;
  });
  await server.waitForKill();
  expect(isKilled).toBe(true);
  await server.start();
}

const posts = (path: RegExp, word: string) => (request: ApiRequest) =>
  request.method === "POST" &&
  path.test(request.path) &&
  JSON.stringify(request.body).includes(word);
const readNow = () =>
  server.query(`update project_repositories set poll_at = now() where project_id = '${projectId}'`);
const bodies = (issue: DoubleIssue, word: string): string[] =>
  issue.comments.flatMap(({ body }) => (body.includes(word) ? [body] : []));

test("a server that is killed after each thing that it writes writes it once", async () => {
  await prepare();
  const issue = shop.openIssue("Prices", "Please.");
  await killedAfter(posts(/comments$/, "omoi:task"), () => {
    shop.changeIssue(issue, { label: "omoi" });
    return readNow();
  });
  await expect
    .poll(async () => {
      const { data } = await server.api.tasks.list({ params: { project_id: projectId } });
      return data.map(({ status }) => ["open", "working"].includes(status));
    }, slowly)
    .toEqual([false]);
  const [task] = (await server.api.tasks.list({ params: { project_id: projectId } })).data;
  const id = task?.id ?? "";
  const params = { task_id: id };
  await expect
    .poll(() => bodies(issue, "omoi:task"), slowly)
    .toEqual([expect.not.stringContaining("is working")]);

  await killedAfter(posts(/comments$/, "omoi:question"), () =>
    server.api.tasks.prompt({ params, body: { text: "say Shall I?" } }),
  );
  // The comment shows the state, too.
  await expect
    .poll(() => bodies(issue, "omoi:task"), slowly)
    .toEqual([expect.stringContaining("needs a person")]);
  expect(bodies(issue, "omoi:question")).toHaveLength(1);

  await killedAfter(
    ({ method, path }) => method === "PATCH" && /comments\/\d+$/.test(path),
    () => server.api.tasks.prompt({ params, body: { text: "write a.txt one two" } }),
  );
  await expect.poll(() => bodies(issue, "omoi:task").length, slowly).toBe(1);
  // The turn may have been lost with the server.
  await expect
    .poll(async () => ["open", "working"].includes((await taskOf(id)).status), slowly)
    .toBe(false);
  await server.api.tasks.prompt({ params, body: { text: "write a.txt one two three" } });
  await expect.poll(async () => (await taskOf(id)).status, slowly).toBe("in_review");
  await expect
    .poll(() => bodies(issue, "omoi:task"), slowly)
    .toEqual([expect.stringContaining("ready for review")]);

  const { data: request } = await server.api.pullRequests.open({ params, body: {} });
  const pull = shop.pull(request.number ?? 0);
  await killedAfter(posts(/reviews$/, "Why two"), () =>
    server.api.reviews.publish({
      params,
      body: {
        verdict: "comment",
        commit_sha: request.head_sha ?? "",
        comments: [{ path: "a.txt", line: 2, body: "Why two?" }],
      },
    }),
  );
  const { data: threads } = await server.api.threads.list({ params });
  await server.api.threads.reply({
    params: { thread_id: threads[0]?.id ?? "" },
    body: { body: "Still." },
  });
  await expect
    .poll(
      () =>
        pull?.threads.map(({ comments }) =>
          comments.map(({ body }) => /Why|Still/.exec(body)?.[0]),
        ),
      slowly,
    )
    .toEqual([["Why", "Still"]]);
  expect(bodies(issue, "omoi:task")).toHaveLength(1);
  expect(bodies(issue, "omoi:question")).toHaveLength(1);
  expect(forge.violations).toEqual([]);
});
