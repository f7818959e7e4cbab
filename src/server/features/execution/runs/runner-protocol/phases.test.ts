import { afterAll, expect, test } from "vitest";
import { subscribe, type RunPhase } from "#shared/node/measurements.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner } from "#test/support/runners/scripted-runner.js";
import { startTestApp } from "#test/support/server/app.js";

const app = await startTestApp();
afterAll(() => app.close());

test("a run on a runner was queued and had a command, measured once at its end", async () => {
  const owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  const runner = await registerRunner(app, { orgId: org.id });
  const measured: { kind: string; status: string; phases: readonly RunPhase[] }[] = [];
  const forget = subscribe("run", (run) => void measured.push(run));
  await startRemote(owner, (await makeRemote(owner, project.id)).agent);
  const { run_id: id } = await runner.take();
  await runner.heartbeat(id);
  expect(measured).toEqual([]);
  for (let count = 0; count < 2; count += 1) expect((await runner.end(id)).status).toBe(204);
  forget();
  const { data: run } = await owner.api.runs.get({ params: { run_id: id } });
  const [created, started, ended] = [run.created_at, run.started_at, run.ended_at].map(
    (at) => new Date(at as string),
  );
  expect(measured).toEqual([
    {
      kind: "managed",
      status: "succeeded",
      phases: [
        { name: "queued", from: created, to: started },
        { name: "command", from: started, to: ended },
      ],
    },
  ]);
});
