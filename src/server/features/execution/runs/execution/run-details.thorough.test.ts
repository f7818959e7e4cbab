// Thorough: each form of a message, and an end that the database rejects.
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

test.each([
  ["NUL", String.raw`printf 'bwrap: execvp a\0b\033: x\ny\n' >&2`, "a b : x"],
  [
    "a long line",
    `{ printf 'bwrap: execvp '; printf '%9999s' | sed 's,  ,é,g'; echo ': x'; } >&2`,
    /^The sandbox could not be created: bwrap: execvp é+ ?…$/,
  ],
  [
    "a long reason",
    `{ printf 'bwrap: execvp a: '; printf '%9999s' | tr ' ' b; } >&2`,
    /^a: b{496}…$/,
  ],
  [
    "a line with many colons",
    `{ printf 'bwrap: execvp '; printf '%16000s' | sed 's/ /: /g'; echo; echo; echo x; } >&2`,
    /^The sandbox could not be created: /,
  ],
])("%s in a message of bubblewrap is cut to a short text", async (_what, script, detail) => {
  const ended = await finish(`${script}; exit 1`);
  expect(ended).toMatchObject({ status: "failed", exit_code: 1 });
  expect(ended.detail).toMatch(detail);
  expect(ended.detail?.length).toBeLessThanOrEqual(500);
});

test("a run ends although its checkpoint is rejected by the database", async () => {
  await queryAsOwner(
    app,
    "alter table runs add constraint no_checkpoint check (checkpoint_sha is null)",
  );
  const ended = await finish("echo new > file.txt");
  expect(ended).toMatchObject({ status: "succeeded", exit_code: 0, checkpoint: null });
  await queryAsOwner(app, "alter table runs drop constraint no_checkpoint");
});
