import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProject,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
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

test("a run has the secrets of its organization and project, which wins, and its own variables win over both", async () => {
  const other = await makeProject(owner, org.id);
  for (const name of ["FOR_ALL", "FOR_PROJECT", "FOR_RUN"]) await setForAll(name, "organization");
  for (const name of ["FOR_PROJECT", "FOR_RUN"]) await setForProject(name, "of project");
  await setForProject("FOR_OTHER", "other project", other.id);
  const script = 'echo "$FOR_ALL $FOR_PROJECT $FOR_RUN $FOR_OTHER" > out';
  const { run, written } = await finish(script, { env: { FOR_RUN: "of run" } });
  expect(written).toBe("organization of project of run \n");
  expect(run.env_names).toEqual(["FOR_RUN"]);
  const { written: there } = await finish(script, {}, other.id);
  expect(there).toBe("organization organization organization other project\n");
});

test("a secret is masked in the log, also in pieces, by line and encoded", async () => {
  await setForProject("TOKEN", "s3cret-of-the-project");
  await setForAll("PEM", "-----BEGIN\nfirst line of it\nsecond line of it\n");
  await setForAll("SHORT", "abcde");
  const { run, written } = await finish(
    [
      'printf %s "$TOKEN" > out',
      'echo "a $TOKEN b"',
      "printf s3cret-of",
      "sleep 0.3",
      "printf %s -the-pro",
      "sleep 0.3",
      "echo ject",
      'echo "$PEM" | tail -n 3',
      'printf %s "$TOKEN" | base64',
      'echo "$SHORT"',
      'echo "$TOKEN" >&2',
    ].join("\n"),
  );
  expect(written).toBe("s3cret-of-the-project");
  const stdout = await logOf(run, "?stream=stdout");
  expect(stdout.replaceAll("***\n", "*\n")).toBe("a *** b\n*\n*\n*\n\n*\nabcde\n");
  expect(await logOf(run, "?stream=stderr")).toBe("***\n");
});

test("a value that is too large to mask together with those of the run is reported", async () => {
  await setForProject("LONG", "\u0001".repeat(64 * 1024));
  const { agent } = await makeWorkspace(owner, project.id);
  const env = Object.fromEntries(
    Array.from({ length: 8 }, (_, nth) => [`V${nth}`, String(nth).repeat(30 * 1024)]),
  );
  const problem = await expectProblem(
    start(agent.id, { command: ["true"], env }),
    422,
    "validation_failed",
  );
  expect(problem.detail).toContain("pass large values in a file");
  const run = await start(agent.id, { command: ["true"] });
  expect((await waitForRunEnd(owner, run.id)).status).toBe("succeeded");
});

test("a stored value is not decrypted as another secret", async () => {
  await setForProject("TOKEN", "value");
  await setForProject("OTHER", "another value");
  await queryAsOwner(
    app,
    `update secrets s set sealed = o.sealed from secrets o
     where s.project_id = $1 and o.project_id = $1 and s.name = 'TOKEN' and o.name = 'OTHER'`,
    [project.id],
  );
  const { agent } = await makeWorkspace(owner, project.id);
  await expectProblem(start(agent.id, { command: ["true"] }), 503, "unavailable");
});

test("a run's token neither reads nor changes secrets, also of an agent that is an owner", async () => {
  await setForProject("TOKEN", "value");
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  await queryAsOwner(
    app,
    `update memberships set role_id = (select id from roles where name = 'owner' and org_id is null)
     where agent_id = $1`,
    [agent.id],
  );
  const script = 'printf %s "$OMOI_TOKEN" > out.new; mv out.new out; sleep 600';
  const run = await start(agent.id, { command: shell(script) });
  const file = join(folderOf(workspace), "out");
  await expect.poll(() => readFile(file, "utf8").catch(() => "")).toMatch(/^ort_/);
  const api = app.client(await readFile(file, "utf8"));
  const params = { project_id: project.id, name: "TOKEN" };
  const ofOrg = { org_id: org.id };
  for (const call of [
    () => api.projectSecrets.list({ params: { project_id: project.id } }),
    () => api.projectSecrets.get({ params }),
    () => api.projectSecrets.set({ params, body: { value: "mine", kind } }),
    () => api.projectSecrets.delete({ params }),
    () => api.organizationSecrets.list({ params: ofOrg }),
    () =>
      api.organizationSecrets.set({ params: { ...ofOrg, name: "A" }, body: { value: "b", kind } }),
  ]) {
    await expectProblem(call(), 403, "insufficient_permission");
  }
  await owner.api.runs.stop({ params: { run_id: run.id } });
});

test("a check of the merge queue has no secrets", async () => {
  const guarded = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
  const params = { project_id: guarded.id };
  await setForAll("FOR_ALL", "value-for-all");
  await setForProject("TOKEN", "value-of-project", guarded.id);
  const command = shell('env; test -z "$FOR_ALL$TOKEN"');
  await owner.api.mergeQueue.setCheck({ params: { ...params, name: "test" }, body: { command } });
  const protected_branches = [{ pattern: "main", checks: ["test"] }];
  await owner.api.projects.update({ params, body: { protected_branches } });
  const { workspace } = await makeWorkspace(owner, guarded.id);
  await commitFiles(owner, workspace, { "b.txt": "b\n" });
  const { data } = await owner.api.workspaces.createMerge({
    params: { agent_id: workspace.agent_id },
    body: { queue: true },
  });
  expect((await waitForRequest(owner, (data as { id: string }).id)).status).toBe("merged");
});
