/** Errors of calls that start a program, or write, in a workspace that cannot be used. */
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import type { ErrorCode } from "#shared/errors.js";
import { queryAsOwner } from "../support/database/queries.js";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import { folderOf } from "../support/fixtures/factories.js";
import { makeTaskProject, type TaskProject } from "../support/fixtures/tasks.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";

let app: TestApp;
let owner: TestPerson;
let world: TaskProject;
/** A task whose agent has changed a file, and whose program was stopped. */
let task: Task;
let agentId: string;
let sessionId: string;
/** A thread of it with a suggestion. */
let threadId: string;
let head: string;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required", OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
afterAll(() => app.close());

beforeEach(async () => {
  world = await makeTaskProject(owner);
  const { id } = await world.create("tool");
  await world.until(id, "in_review");
  const params = { task_id: id };
  await owner.api.tasks.stop({ params });
  task = await world.get(id);
  const [attempt] = task.attempts;
  agentId = attempt?.agent_id as string;
  sessionId = attempt?.session_id as string;
  head = (await owner.api.reviews.changes({ params })).data.commit_sha;
  const comments = [{ path: "a.txt", line: 1, body: "Older.", suggestion: "old" }];
  const body = { verdict: "comment" as const, commit_sha: head, comments };
  const { data: review } = await owner.api.reviews.publish({ params, body });
  threadId = review.thread_ids[0] as string;
});

/** Calls that start a program in the workspace. */
const starts = (): Calls => {
  const { agentSessions, reviews, runs, tasks } = owner.api;
  const [ofTask, ofAgent] = [{ task_id: task.id }, { agent_id: agentId }];
  return {
    "agentSessions.create": () =>
      agentSessions.create({ params: ofAgent, body: { preset: "custom", command: acpAgent() } }),
    "agentSessions.prompt": () =>
      agentSessions.prompt({ params: { session_id: sessionId }, body: { text: "say yes" } }),
    "reviews.publish": () =>
      reviews.publish({
        params: ofTask,
        body: { verdict: "request_changes", body: "No.", commit_sha: head },
      }),
    "runs.create": () => runs.create({ params: ofAgent, body: { command: ["true"] } }),
    "tasks.prompt": () => tasks.prompt({ params: ofTask, body: { text: "say yes" } }),
    "tasks.retry": () => tasks.retry({ params: ofTask }),
  };
};

/** Calls that commit in the workspace. */
const commits = (): Calls => {
  const { threads } = owner.api;
  return {
    "threads.apply": () => threads.apply({ params: { thread_id: threadId } }),
    "threads.applyAll": () =>
      threads.applyAll({ params: { task_id: task.id }, body: { thread_ids: [threadId] } }),
  };
};

const preview = (): Calls => ({
  "previews.create": () =>
    owner.api.previews.create({ params: { agent_id: agentId }, body: { act: "sync" } }),
});

type Calls = Record<string, () => Promise<unknown>>;

/** Makes calls, all of which are refused. */
async function expectAll(calls: Calls, status: number, code: ErrorCode): Promise<void> {
  for (const [call, ask] of Object.entries(calls))
    await expectProblem(ask(), status, code).catch((cause: unknown) => {
      throw new Error(call, { cause });
    });
}

const setWorkspace = (set: string) =>
  queryAsOwner(app, `update workspaces set ${set} where agent_id = $1`, [agentId]);

test("without the engine of the workspace: 422", async () => {
  await setWorkspace("workspace_type = 'docker'");
  await expectAll(starts(), 422, "docker_unavailable");
});

test("in a folder that contains another repository: 422", async () => {
  const { data: workspace } = await owner.api.workspaces.get({ params: { agent_id: agentId } });
  const inner = join(folderOf(workspace), "inner/.git");
  await mkdir(inner, { recursive: true });
  await writeFile(join(inner, "HEAD"), "ref: refs/heads/main\n");
  await expectAll({ ...commits(), ...preview() }, 422, "nested_repository");
});

test("in a folder that cannot be mounted: 503", async (context) => {
  const layers = (await readdir(app.dataDir, { recursive: true })).filter((name) =>
    name.endsWith("/lower"),
  );
  if (layers.length === 0) context.skip("without the right to mount, folders have no layers");
  for (const name of layers)
    await rename(join(app.dataDir, name), join(app.dataDir, `${name}.away`));
  await expectAll({ ...starts(), ...commits(), ...preview() }, 503, "folder_unavailable");
});

test("in a workspace that has expired: 410", async () => {
  await setWorkspace("status = 'expired'");
  await expectAll({ ...starts(), ...commits(), ...preview() }, 410, "workspace_expired");
});
