// Thorough: runs with values of each size and of each time.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { sealBytes } from "../../../encrypt.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let project: Project;
beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
});
afterAll(() => app.close());

const kind = "variable" as const;
const setForAll = (name: string, value: string) =>
  owner.api.organizationSecrets.set({ params: { org_id: org.id, name }, body: { value, kind } });
const setForProject = (name: string, value: string, project_id = project.id) =>
  owner.api.projectSecrets.set({ params: { project_id, name }, body: { value, kind } });
const start = async (agent_id: string, body: NewRun): Promise<Run> =>
  (await owner.api.runs.create({ params: { agent_id }, body })).data;
const logOf = async (run: Run, query = ""): Promise<string> =>
  (await send(app, "GET", `/api/v1/runs/${run.id}/logs${query}`, { token: owner.token })).text;
/** Runs a script in a new workspace. Returns the log, and a file that it wrote. */
async function finish(script: string, body: Partial<NewRun> = {}, inProject = project.id) {
  const { agent, workspace } = await makeWorkspace(owner, inProject);
  const { id } = await start(agent.id, { command: shell(script), ...body });
  const run = await waitForRunEnd(owner, id);
  const written = await readFile(join(folderOf(workspace), "out"), "utf8").catch(() => null);
  return { run, log: await logOf(run), written };
}

test("a value of 64 KiB is in the environment, and masked", async () => {
  const value = Array.from({ length: 8192 }, (_, nth) => `line${String(nth).padStart(3)}`)
    .join("\n")
    .slice(0, 64 * 1024)
    .padEnd(64 * 1024, "x");
  await setForProject("LONG", value);
  const { run, log, written } = await finish('printf %s "$LONG" > out; printf %s "$LONG"');
  expect(run.status).toBe("succeeded");
  expect(written).toBe(value);
  expect(log).not.toContain("line");
});

test("a run keeps the values that it started with, and later ones have the new values", async () => {
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  await setForProject("TOKEN", "value-before");
  await setForAll("GONE", "value-of-gone");
  const script = 'until [ -e go ]; do sleep 0.02; done; rm go; echo "$TOKEN $GONE" > out';
  const first = await start(agent.id, { command: shell(script) });
  const second = await start(agent.id, { command: shell(script), queue: true });
  expect(second.status).toBe("queued");
  const [queued] = await queryAsOwner<{ sealed_env: Buffer }>(
    app,
    "select sealed_env from runs where id = $1",
    [second.id],
  );
  expect(queued?.sealed_env.length).toBe(sealBytes + "{}".length);
  await setForProject("TOKEN", "value-after");
  await owner.api.organizationSecrets.delete({ params: { org_id: org.id, name: "GONE" } });
  const outputs: string[] = [];
  for (const { id } of [first, second]) {
    await writeFile(join(folderOf(workspace), "go"), "");
    expect((await waitForRunEnd(owner, id)).status).toBe("succeeded");
    outputs.push(await readFile(join(folderOf(workspace), "out"), "utf8"));
  }
  expect(outputs).toEqual(["value-before value-of-gone\n", "value-after \n"]);
});

test("a value of another secret of the installation names the secret, and starts no run", async () => {
  await setForProject("TOKEN", "value");
  await queryAsOwner(app, "update secrets set sealed = 'x' where project_id = $1", [project.id]);
  const { agent } = await makeWorkspace(owner, project.id);
  const problem = await expectProblem(start(agent.id, { command: ["true"] }), 503, "unavailable");
  expect(problem.detail).toContain("The secret TOKEN was encrypted with another OMOI_SECRET");
  await setForProject("TOKEN", "value");
  const run = await start(agent.id, { command: ["true"] });
  expect((await waitForRunEnd(owner, run.id)).status).toBe("succeeded");
});
