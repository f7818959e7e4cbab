/** Details of ended runs, which may quote the command's output, and ends that cannot be stored. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";

let app: TestApp;
let owner: TestPerson;
let project: Project;
beforeAll(async () => {
  app = await startTestApp({}, "real");
  owner = await app.person("Ada");
  project = await makeProject(owner, (await makeOrganization(owner)).id);
});
afterAll(() => app.close());

async function finish(script: string, more: Partial<NewRun> = {}): Promise<Run> {
  const { agent } = await makeWorkspace(owner, project.id);
  const params = { agent_id: agent.id };
  const { data } = await owner.api.runs.create({
    params,
    body: { command: shell(script), ...more },
  });
  return waitForRunEnd(owner, data.id);
}

test("secrets in a message are masked", async () => {
  const script = 'echo "bwrap: execvp $API_KEY: x" >&2; exit 1';
  const ended = await finish(script, { env: { API_KEY: "correct horse" } });
  expect(ended).toMatchObject({ status: "failed", detail: "***: x" });
});

test("a run ends although its end is rejected by the database", async () => {
  await queryAsOwner(
    app,
    "alter table runs add constraint no_seven check (exit_code <> 7 or detail not like '%code 7.')",
  );
  const ended = await finish("exit 7");
  expect(ended).toMatchObject({
    status: "failed",
    exit_code: 7,
    detail:
      "The cause of its end could not be stored; the operator can find it in the server's log.",
  });
  await queryAsOwner(app, "alter table runs drop constraint no_seven");
});
