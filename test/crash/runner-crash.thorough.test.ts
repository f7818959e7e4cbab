import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { secretFile } from "#server/data-folder/data-folder.js";
import { readVerificationKey } from "#server/db/installation.js";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { waitForRunEnd } from "../support/fixtures/runs.js";
import { openRunRepository } from "../support/runners/run-repository.js";
import { newRunner, type ScriptedRunner } from "../support/runners/scripted-runner.js";

/**
 * A runner executes a run of a server that is killed at its effects in turn: at its start, while it takes the work,
 * and at its end. The runner sends again what was not answered.
 */
let server: CrashingServer;
let runner: ScriptedRunner;
beforeAll(async () => {
  server = new CrashingServer("checkout");
  await server.open();
  // An access token would expire before the last effect.
  const { data: key } = await server.api.apiKeys.create({ body: { name: "crash" } });
  server.token = key.key as string;
  const host = join(server.dataDir, "postgres");
  const client = new pg.Client({ host, port: 5432, user: "postgres" });
  await client.connect();
  const secret = (await readFile(join(server.dataDir, secretFile), "utf8")).trim();
  const verificationKey = await readVerificationKey(client, secret);
  const made = newRunner(server.url, verificationKey, "away", server.project.organization_id);
  await client.query(made.insert);
  await client.end();
  runner = made.runner;
});
afterAll(() => server.close());

/** Effects between two kills; each run begins at another one. */
const step = 9;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 14;

test("a killed server takes the work of a runner once", async () => {
  for (let [effect, isAfter] = [1 + randomInt(step), false]; ; effect += step, isAfter = !isAfter) {
    await server.stop();
    await server.start();
    const workspace = await server.createWorkspace("remote");
    const { agent_id, branch_name, parent_commit } = workspace;
    const params = { agent_id };
    const { data: queued } = await server.api.runs.create({
      params,
      body: { command: ["make"] },
    });
    await server.stop();
    await server.startWithKillAt(effect, isAfter ? "after" : "before");
    /** Repeats work on a server that was started again, as a runner does. */
    const repeated = async <Result>(work: (one: ScriptedRunner) => Promise<Result>) => {
      for (;;) {
        try {
          return await work(runner.at(server));
        } catch (error) {
          // A broken connection of the test, or of git.
          const isBroken = error instanceof TypeError || String(error).includes("git ");
          if (!isBroken) throw error;
          await server.waitForKill();
          wasKilled = true;
          await server.start();
          // Its effects are counted without an end, as until the kill.
          server.signal("SIGUSR2");
        }
      }
    };
    let wasKilled = false;
    const isKilledAfterwards = await server.runUntilKilled(async () => {
      const offered = await repeated((one) => one.ask());
      expect(offered).toEqual([queued.id]);
      const { status, body: job } = await repeated((one) => one.start(queued.id));
      expect([status, job.run_id]).toEqual([200, queued.id]);
      await repeated((one) => one.heartbeat(job.run_id));
      const repository = await repeated((one) => openRunRepository(server, one, job));
      await repository.commit({ "one.txt": "one\n" });
      await repository.commit({ "two.txt": "two\n" });
      await repository.write({ "rest.txt": "rest\n" });
      const files = await repository.files();
      for (const hasEnded of [false, true]) {
        const answer = await repeated((one) => repository.send(hasEnded, files, one));
        expect([answer.status, answer.body.error]).toEqual([200, null]);
      }
      const end = await repeated((one) => one.end(job.run_id));
      expect(end.status).toBe(204);
      await repository.dispose();
    });
    if (isKilledAfterwards && !wasKilled) {
      await server.start();
      wasKilled = true;
    }
    const run = await waitForRunEnd(server, queued.id);
    expect(run).toMatchObject({
      status: "succeeded",
      repository: { commits: 2, diverged_branches: [], error: null },
    });
    const { data: commits } = await server.api.workspaces.commits({ params, query: {} });
    expect(commits.map(({ commit_type }) => commit_type)).toEqual([
      "checkpoint",
      "manual",
      "manual",
    ]);
    expect(await server.git("show", `${branch_name}:rest.txt`)).toBe("rest");
    expect(await server.listCommits(branch_name, `^${parent_commit}`)).toEqual(
      commits.map(({ commit_sha }) => commit_sha),
    );
    await server.verifyConsistency();
    if (!wasKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      return;
    }
  }
}, 3_600_000);
