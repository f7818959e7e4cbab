import { randomUUID } from "node:crypto";
import { lstat, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import { storageIn } from "../../../data-folder/storage.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { describeEachSandbox } from "#test/support/sandbox/test-sandbox.js";
import { send } from "#test/support/http/raw-request.js";

describeEachSandbox("clearing a home", ({ setting }) => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  beforeAll(async () => {
    const env = { OMOI_SANDBOX: setting, OMOI_RUN_STOP_GRACE_SECONDS: "1" };
    app = await startTestApp(env, "real");
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
    project = await makeProject(owner, orgId);
  });
  afterAll(() => app?.close());

  const clear = (agent_id: string, by = owner) => by.api.agents.clearHome({ params: { agent_id } });
  const homeOf = ({ id }: Agent): string => storageIn(app.dataDir).home(orgId, id);
  const isThere = (path: string): Promise<boolean> =>
    lstat(path).then(
      () => true,
      () => false,
    );
  const start = async ({ id }: Agent, script: string): Promise<string> => {
    const body = { command: shell(script) };
    return (await owner.api.runs.create({ params: { agent_id: id }, body })).data.id;
  };
  const run = async (agent: Agent, script: string): Promise<string> => {
    const id = await start(agent, script);
    expect((await waitForRunEnd(owner, id)).status).toBe("succeeded");
    return (await send(app, "GET", `/api/v1/runs/${id}/logs`, { token: owner.token })).text;
  };
  const audited = async (): Promise<unknown[]> => {
    const query = { action: "agent.home_cleared" } as const;
    const { data } = await owner.api.audit.list({ params: { org_id: orgId }, query });
    return data.map(({ target }) => target);
  };

  test("removes whatever the agent left, and nothing else", async () => {
    const outside = await mkdtemp(join(tmpdir(), "omoi-outside-"));
    await writeFile(join(outside, "file"), "stays");
    const { agent } = await makeWorkspace(owner, project.id);
    const { agent: other } = await makeWorkspace(owner, project.id);
    await run(other, "echo theirs > ~/a");
    await run(
      agent,
      `cd; ln -s ${outside} link; ln -s ${outside}/file file; ln -s ${homeOf(other)} other; ln -s / root
       mkfifo pipe; mkdir -p closed/inner; : > closed/inner/a; chmod 0 closed
       echo mine > "$OLDPWD/in-workspace"`,
    );
    const answer = await clear(agent.id);
    expect([answer.status, answer.data]).toEqual([204, undefined]);
    expect(await isThere(homeOf(agent))).toBe(false);
    expect(await readFile(join(outside, "file"), "utf8")).toBe("stays");
    expect(await readFile(join(homeOf(other), "a"), "utf8")).toBe("theirs\n");
    expect(await audited()).toEqual([{ type: "agent", id: agent.id, name: agent.name }]);
    expect(await run(agent, "ls -A ~; cat in-workspace")).toBe("mine\n");
    await rm(outside, { recursive: true });
  });

  test("a missing home is not an error, and not audited", async () => {
    const before = await audited();
    const agent = await makeAgent(owner, project.id);
    expect((await clear(agent.id)).status).toBe(204);
    const { agent: idle } = await makeWorkspace(owner, project.id);
    await run(idle, "true");
    await clear(idle.id);
    await clear(idle.id);
    expect(await audited()).toHaveLength(before.length + 1);
  });

  test("is refused while a run of the agent is active, and loses no race with a start", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const id = await start(agent, "echo kept > ~/a; sleep 600");
    await waitForRun(owner, id, ({ status }) => status === "running");
    await expect.poll(() => isThere(join(homeOf(agent), "a"))).toBe(true);
    const problem = await expectProblem(clear(agent.id), 409, "run_in_progress");
    expect(problem.detail).toBe("The agent is running; stop its run first.");
    expect(await isThere(join(homeOf(agent), "a"))).toBe(true);
    await owner.api.runs.stop({ params: { run_id: id } });
    await clear(agent.id);

    for (let round = 0; round < 5; round += 1) {
      const [run, cleared] = await Promise.all([
        start(agent, "echo own > ~/a; sleep 0.3; cat ~/a"),
        clear(agent.id).then(
          () => "cleared",
          (error: unknown) => expectProblem(Promise.reject(error), 409, "run_in_progress"),
        ),
      ]);
      expect([round, cleared, (await waitForRunEnd(owner, run)).status]).toEqual([
        round,
        cleared,
        "succeeded",
      ]);
    }
  });

  test("needs the permission to change the agent", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    await run(agent, "echo kept > ~/a");
    const viewer = await app.person("viewer");
    const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
    await owner.api.members.add({ params: { org_id: orgId }, body });
    const refused = await expectProblem(clear(agent.id, viewer), 403, "insufficient_permission");
    expect(refused.missing_permissions).toEqual(["agent:write"]);
    // The agent's own role does not have it.
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "agent", organization_id: orgId, agent_id: agent.id },
    });
    const own = app.client(key.key as string).agents.clearHome({ params: { agent_id: agent.id } });
    await expectProblem(own, 403, "insufficient_permission");
    const anonymous = app.client().agents.clearHome({ params: { agent_id: agent.id } });
    await expectProblem(anonymous, 401, "unauthenticated");
    const stranger = await app.person("stranger");
    await expectProblem(clear(agent.id, stranger), 404, "not_found");
    for (const id of [randomUUID(), "worker"]) await expectProblem(clear(id), 404, "not_found");
    expect(await isThere(join(homeOf(agent), "a"))).toBe(true);
    await owner.api.organizations.archive({ params: { org_id: orgId } });
    await expectProblem(clear(agent.id), 409, "organization_archived");
    await owner.api.organizations.restore({ params: { org_id: orgId } });
    await owner.api.agents.delete({ params: { agent_id: agent.id } });
    expect((await clear(agent.id)).status).toBe(204);
  });
});
