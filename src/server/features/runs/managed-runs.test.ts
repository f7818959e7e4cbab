import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organizations.js";
import type { Project } from "#shared/api/projects.js";
import type { Run } from "#shared/api/runs.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/factories.js";
import { followLog, untilEnded } from "#test/runs.js";
import { send } from "#test/raw.js";

describe("managed runs", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp({}, "real");
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
  });
  afterAll(() => app.close());

  const shell = (script: string): string[] => ["/bin/sh", "-c", script];
  const logOf = async (run: Run, query = "") =>
    (await send(app, "GET", `/api/v1/runs/${run.id}/logs${query}`, { token: owner.token })).text;

  test("a command runs in the workspace, and what it leaves is checkpointed", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const { data: started, status } = await owner.api.runs.create({
      params,
      body: {
        command: shell('echo "$GREETING"; echo oops >&2; echo new > file.txt'),
        env: { GREETING: "hi" },
      },
    });
    expect(status).toBe(201);
    expect(started).toMatchObject({
      agent_id: agent.id,
      kind: "managed",
      status: "running",
      env_names: ["GREETING"],
      network: "none",
      started_by: { type: "user", id: owner.id, name: "Ada" },
    });
    const ended = await untilEnded(owner, started.id);
    expect(ended).toMatchObject({
      status: "succeeded",
      exit_code: 0,
      detail: "Its command ended by itself.",
      output: { bytes: 8, truncated: false },
      checkpoint: { commit_sha: expect.stringMatching(/^[0-9a-f]{40}$/) as string, error: null },
    });
    expect(await logOf(ended)).toContain("hi\n");
    expect(await logOf(ended, "?stream=stderr")).toBe("oops\n");
    const { events, end } = await followLog(app, owner, started.id);
    expect(events.map(({ text }) => text).toSorted()).toEqual(["hi\n", "oops\n"]);
    expect(end).toEqual(ended);
  });
});
