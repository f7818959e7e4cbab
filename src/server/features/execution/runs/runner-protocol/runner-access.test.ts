import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Problem } from "#shared/errors.js";
import { LOG_TYPE, RUNNER_PATH, WORK_TYPE } from "#shared/execution/runner/protocol.js";
import { generateRunnerToken } from "../../runners/manage-runners.js";
import type { RawRequest } from "#server/http/raw-routes.js";
import { createCallRate } from "#server/models/call-rate.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import {
  ofRun,
  registerRunner,
  succeeded,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { authenticateRunner } from "./authenticate-runner.js";

/** Every call of one run, with a body that it accepts. */
const calls = [
  ["POST", "start", undefined, undefined],
  ["GET", "git/info/refs?service=git-upload-pack", undefined, undefined],
  ["POST", "git/git-upload-pack", "0000", "application/x-git-upload-pack-request"],
  ["POST", "log?offset=0", "", LOG_TYPE],
  ["POST", "egress", { batch: 1, allowed: 0, denied: 0, connections: [] }, undefined],
  ["POST", "work?ended=true", `omoi ${"a".repeat(40)} - -\n`, WORK_TYPE],
  ["POST", "end", succeeded, undefined],
] as const;

describe("a runner's token", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let runner: ScriptedRunner;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("Ada");
    orgId = (await makeOrganization(owner)).id;
    project = await makeProject(owner, orgId);
    runner = await registerRunner(app, { orgId });
  });
  afterAll(() => app.close());

  const queue = async (): Promise<Run> =>
    startRemote(owner, (await makeRemote(owner, project.id)).agent);
  const call = async (
    by: ScriptedRunner,
    runId: string,
    [method, path, body, type]: (typeof calls)[number],
  ): Promise<[string, number, string | undefined]> => {
    const answer = await by.send<Problem>(method, ofRun(runId, path), {
      ...(body !== undefined && { body: type === undefined ? body : Buffer.from(body as string) }),
      ...(type !== undefined && { type }),
    });
    return [path, answer.status, answer.body.code];
  };

  test("opens no run of another runner, another organization, or one not offered", async () => {
    const running = await queue();
    await runner.ask();
    await runner.start(running.id);
    const waiting = await queue();
    const others = [
      await registerRunner(app, { orgId }),
      await registerRunner(app, { orgId: (await makeOrganization(owner)).id }),
      await registerRunner(app),
    ];
    for (const one of calls) {
      for (const other of others) {
        for (const id of [running.id, waiting.id, randomUUID(), "no-id"]) {
          expect(await call(other, id, one)).toEqual([one[1], 404, "not_found"]);
        }
      }
      expect(await call(runner, waiting.id, one)).toEqual([one[1], 404, "not_found"]);
    }
    for (const other of others) {
      expect((await other.heartbeat(running.id)).state).toBe("gone");
    }
    expect((await runner.heartbeat(running.id)).state).toBe("run");
    // Offered, and not started.
    expect(await runner.ask()).toContain(waiting.id);
    for (const one of calls.slice(1)) {
      expect(await call(runner, waiting.id, one)).toEqual([one[1], 409, "run_not_offered"]);
    }
    // The run has ended, and the time in which its repository can still be read is over.
    expect((await runner.end(running.id)).status).toBe(204);
    await queryAsOwner(app, "update runs set ended_at = ended_at - interval '61 s' where id = $1", [
      running.id,
    ]);
    await owner.api.runs.stop({ params: { run_id: waiting.id } });
    for (const one of calls.slice(0, -1)) {
      expect(await call(runner, running.id, one)).toEqual([one[1], 409, "run_ended"]);
      expect(await call(runner, waiting.id, one)).toEqual([one[1], 409, "run_ended"]);
    }
    expect(await call(runner, waiting.id, calls[6])).toEqual(["end", 409, "run_ended"]);
  });

  test("is required everywhere, opens nothing else, and ends at once", async () => {
    const plain = (path: string, method: string, authorization?: string) =>
      fetch(app.url + path, {
        method,
        ...(authorization !== undefined && { headers: { authorization } }),
      });
    const paths = [
      ["POST", `${RUNNER_PATH}/offers`],
      ["POST", `${RUNNER_PATH}/heartbeats`],
      ...calls.map(([method, path]) => [method, RUNNER_PATH + ofRun(randomUUID(), path)]),
    ] as [string, string][];
    const wrong = [
      undefined,
      "Bearer x",
      `Bearer ${owner.token}`,
      `Bearer ${generateRunnerToken()}`,
      `Basic ${Buffer.from(`x:${runner.token}`).toString("base64")}`,
    ];
    for (const [method, path] of paths) {
      for (const authorization of wrong) {
        const isGit = path.includes("/git/");
        // git sends the token as its password.
        if (isGit && authorization?.startsWith("Basic")) continue;
        const answer = await plain(path, method, authorization);
        expect([path, authorization, answer.status]).toEqual([path, authorization, 401]);
        const isAsked = isGit && authorization === undefined;
        expect(answer.headers.get("www-authenticate")).toMatch(isAsked ? /^Basic/ : /^Bearer/);
      }
    }
    for (const path of ["/api/v1/organizations", `/api/v1/projects/${project.id}`]) {
      expect((await plain(path, "GET", `Bearer ${runner.token}`)).status).toBe(401);
    }
    const sibling = await app.sibling();
    const removed = await registerRunner(app);
    const there = removed.at(sibling);
    expect(await there.ask()).toEqual(expect.any(Array));
    await queryAsOwner(app, "delete from runners where id = $1", [removed.id]);
    for (const one of [removed, there]) {
      expect((await one.send("POST", "/heartbeats", { body: { runs: [] } })).status).toBe(401);
    }
    await sibling.close();
  });

  test("describes its runner, and records when it was heard of", async () => {
    const row = async () =>
      (
        await queryAsOwner(
          app,
          "select labels, networks, slots, version, host, last_seen_at from runners where id = $1",
          [runner.id],
        )
      )[0] as Record<string, unknown>;
    await runner.ask({ labels: ["gpu"], networks: ["none"], slots: 3, version: "9", host: "h" });
    const first = await row();
    expect(first).toMatchObject({
      labels: ["gpu"],
      networks: ["none"],
      slots: 3,
      version: "9",
      host: "h",
    });
    await runner.heartbeat(randomUUID());
    expect((await row())["last_seen_at"]).toEqual(first["last_seen_at"]);
    await queryAsOwner(
      app,
      "update runners set last_seen_at = now() - interval '11 s' where id = $1",
      [runner.id],
    );
    await runner.heartbeat(randomUUID());
    expect((await row())["last_seen_at"]).not.toEqual(first["last_seen_at"]);
  });

  test.each([
    { labels: ["GPU"] },
    { labels: Array.from({ length: 33 }, (_, nth) => `l${nth}`) },
    { networks: ["some"] },
    { slots: 0 },
    { free: -1 },
    { wait_seconds: 26 },
    { host: "\u0000" },
    { more: 1 },
  ])("does not take the description %j", async (wrong) => {
    const body = {
      labels: [],
      networks: [],
      slots: 1,
      free: 0,
      version: "",
      host: "",
      wait_seconds: 0,
      ...wrong,
    };
    const answer = await runner.send<Problem>("POST", "/offers", { body });
    expect([answer.status, answer.body.code]).toEqual([422, "validation_failed"]);
  });

  test("makes so many calls in a minute, and then as many as were made up for", async () => {
    const rate = createCallRate(2);
    const request = { headers: { authorization: `Bearer ${runner.token}` } } as RawRequest;
    const authenticate = () => authenticateRunner({ db: app.db, rate }, request);
    for (const _ of [1, 2]) expect((await authenticate()).id).toBe(runner.id);
    await expect(authenticate()).rejects.toMatchObject({
      code: "rate_limited",
      extra: { headers: { "retry-after": expect.stringMatching(/^[1-9]\d*$/) as string } },
    });
  });
});
