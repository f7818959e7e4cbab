// Thorough: races of runners, and a server that stops.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Problem } from "#shared/errors.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner, type ScriptedRunner } from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

describe("runs for runners", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let runner: ScriptedRunner;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    await queryAsOwner(
      app,
      "update runs set status = 'stopped', ended_at = now(), lease_expires_at = null where ended_at is null",
    );
    await queryAsOwner(app, "delete from runners");
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    runner = await registerRunner(app, { orgId: org.id });
  });
  afterAll(() => app.close());

  const queue = async (body: Partial<NewRun> = {}): Promise<Run> =>
    startRemote(owner, (await makeRemote(owner, project.id)).agent, body);
  const get = async ({ id }: Pick<Run, "id">): Promise<Run> =>
    (await owner.api.runs.get({ params: { run_id: id } })).data;
  const limit = (max_concurrent_agents: number) =>
    queryAsOwner(app, "update organizations set max_concurrent_agents = $2 where id = $1", [
      org.id,
      max_concurrent_agents,
    ]);

  test("are not offered to a client that has left, nor by a server that stops", async () => {
    const leaving = new AbortController();
    const left = runner.ask({ wait_seconds: 25 }, leaving.signal);
    const waits = () =>
      queryAsOwner(app, "select waiting_until is not null as waits from runners where id = $1", [
        runner.id,
      ]);
    await expect.poll(waits).toEqual([{ waits: true }]);
    leaving.abort();
    await expect(left).rejects.toThrow();
    await expect.poll(waits).toEqual([{ waits: false }]);
    const run = await queue();
    expect(await get(run)).toMatchObject({ status: "queued" });
    expect(await queryAsOwner(app, "select runner_id from runs where id = $1", [run.id])).toEqual([
      { runner_id: null },
    ]);
    const sibling = await app.sibling();
    await queryAsOwner(app, "update runs set network = 'full' where id = $1", [run.id]);
    const waiting = runner.at(sibling).ask({ wait_seconds: 25, networks: ["none"] });
    await expect.poll(waits).toEqual([{ waits: true }]);
    await sibling.close();
    expect(await waiting).toEqual([]);
  });

  test("start once, and within the limit, when runners race for them", async () => {
    await limit(3);
    const runs = await Promise.all(Array.from({ length: 6 }, () => queue({ queue: true })));
    const others = await Promise.all(
      Array.from({ length: 3 }, () => registerRunner(app, { orgId: org.id })),
    );
    const all = [runner, ...others];
    const started: string[] = [];
    const race = async (runner: ScriptedRunner): Promise<void> => {
      for (const id of await runner.ask({ free: 6 })) {
        const { status, body } = await runner.start(id);
        if (status === 200) started.push(id);
        else expect((body as unknown as Problem).code).toBe("quota_exceeded");
      }
    };
    await Promise.all(all.flatMap((item) => [race(item), race(item)]));
    const running = await queryAsOwner<{ id: string }>(
      app,
      "select id from runs where status = 'running' and org_id = $1",
      [org.id],
    );
    expect(running).toHaveLength(3);
    expect(new Set(started)).toEqual(new Set(running.map(({ id }) => id)));
    for (const id of new Set(started)) {
      const replies = await Promise.all(all.map((item) => item.heartbeat(id)));
      expect(replies.filter(({ state }) => state === "run")).toHaveLength(1);
    }
    // The other runs go on when these end.
    for (let ended = 0; ended < 6;) {
      for (const one of all) {
        for (const { id } of runs) {
          if ((await one.heartbeat(id)).state !== "run") continue;
          expect((await one.end(id)).status).toBe(204);
          ended += 1;
        }
        for (const id of await one.ask()) await one.start(id);
      }
    }
    expect((await Promise.all(runs.map(get))).map(({ status }) => status)).toEqual(
      Array.from({ length: 6 }, () => "succeeded"),
    );
  });
});
