import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  frame,
  startFakeEngine,
  type FakeEngine,
} from "#test/support/sandbox/fake-docker-engine.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";

let folder: string;
let engine: FakeEngine;
let app: TestApp;
let owner: TestPerson;
let projectId: string;
let agentId: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "omoi-engine-"));
  engine = await startFakeEngine(join(folder, "docker.sock"));
  // No other sandbox is available, so every run uses a container.
  app = await startTestApp({ OMOI_DOCKER_SOCKET: engine.socket, OMOI_DOCKER_IMAGE: "agents:1" });
  owner = await app.person("owner");
  projectId = (await makeProject(owner, (await makeOrganization(owner)).id)).id;
  agentId = (await makeAgent(owner, projectId)).id;
});

afterAll(async () => {
  await app.close();
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const ended = async (runId: string): Promise<{ status: string; exit_code: number | null }> => {
  const read = async (): Promise<string> =>
    (await owner.api.runs.get({ params: { run_id: runId } })).data.status;
  await expect.poll(read).not.toBe("running");
  return (await owner.api.runs.get({ params: { run_id: runId } })).data;
};

test("a docker workspace has a folder on the server, and its runs are containers that mount it", async () => {
  const params = { agent_id: agentId };
  const { data: workspace } = await owner.api.workspaces.create({
    params,
    body: { workspace_type: "docker" },
  });
  expect(workspace).toMatchObject({ workspace_type: "docker", status: "active" });
  expect((await owner.api.agents.get({ params })).data.workspace_type).toBe("docker");
  expect((await owner.api.sandbox.get()).data).toMatchObject({
    mode: "unavailable",
    docker: { mode: "docker", reason: null, network: true, enforcement: { cpu: { by: "Docker" } } },
  });
  engine.behaviour = (container) => {
    container.socket?.write(frame(1, "from a container\n"));
    container.end(0);
  };
  await owner.api.projectSecrets.set({
    params: { project_id: projectId, name: "NPM_TOKEN" },
    body: { value: "value-of-npm", kind: "variable" },
  });
  const { data: run } = await owner.api.runs.create({ params, body: { command: ["npm", "test"] } });
  expect(await ended(run.id)).toMatchObject({ status: "succeeded", exit_code: 0 });
  const { created, removed } = engine.containers.at(-1) as (typeof engine.containers)[number];
  expect(created).toMatchObject({
    Image: "agents:1",
    Cmd: ["npm", "test"],
    Env: expect.arrayContaining(["NPM_TOKEN=value-of-npm"]),
    HostConfig: {
      NetworkMode: "none",
      Mounts: [
        { Source: workspace.working_directory, Target: "/workspace" },
        {
          Source: expect.stringMatching(new RegExp(`/homes/.*/${agentId}$`)) as string,
          Target: "/home/agent",
        },
        // What its repository borrows.
        { Target: "/borrowed/0/objects", ReadOnly: true },
        { Target: "/borrowed/1/objects", ReadOnly: true },
      ],
    },
  });
  expect(removed).toBe(true);

  engine.behaviour = (container) => container.end(3);
  const { data: failing } = await owner.api.runs.create({ params, body: { command: ["false"] } });
  expect(await ended(failing.id)).toMatchObject({ status: "failed", exit_code: 3 });
});

test("a local workspace does not run in a container", async () => {
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  const params = { agent_id: (await makeAgent(owner, project.id)).id };
  await owner.api.workspaces.create({ params });
  const call = owner.api.runs.create({ params, body: { command: ["true"] } });
  await expectProblem(call, 409, "sandbox_unavailable");
});

test("without an engine, docker workspaces cannot be created and their runs are rejected", async () => {
  const bare = await startTestApp({ OMOI_DOCKER_SOCKET: join(folder, "nothing.sock") });
  const person = await bare.person("owner");
  const project = await makeProject(person, (await makeOrganization(person)).id);
  const params = { agent_id: (await makeAgent(person, project.id)).id };
  const body = { workspace_type: "docker" } as const;
  const problem = await expectProblem(
    person.api.workspaces.create({ params, body }),
    422,
    "docker_unavailable",
  );
  expect(problem.detail).toContain("No Docker engine answers at");
  await expectProblem(person.api.workspaces.get({ params }), 404, "workspace_missing");
  await bare.close();
});
