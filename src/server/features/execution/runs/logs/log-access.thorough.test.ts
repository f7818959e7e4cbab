import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AppError } from "../../../../errors.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { send } from "#test/support/http/raw-request.js";
import { shell, waitForRun } from "#test/support/fixtures/runs.js";
import { createLogAccess } from "./log-access.js";

describe("concurrently open logs", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await startTestApp({}, "real");
    owner = await app.person("owner");
  });
  afterAll(() => app.close());

  test("are limited to 100 per caller, and a closed one frees its place", async () => {
    const project = await makeProject(owner, (await makeOrganization(owner)).id);
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const { data: run } = await owner.api.runs.create({
      params,
      body: { command: shell("echo on; sleep 60") },
    });
    await waitForRun(owner, run.id, ({ output }) => (output?.bytes ?? 0) > 0);
    const path = `/api/v1/runs/${run.id}/logs`;
    const follow = async () => {
      const aborter = new AbortController();
      const response = await fetch(app.url + path, {
        headers: { accept: "text/event-stream", authorization: `Bearer ${owner.token}` },
        signal: aborter.signal,
      });
      // The response is returned, too: fetch closes the connection of a garbage-collected response.
      return { response, close: () => aborter.abort() };
    };
    const followers = await Promise.all(Array.from({ length: 100 }, follow));
    expect(new Set(followers.map(({ response }) => response.status))).toEqual(new Set([200]));
    const { response: refused } = await follow();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
    expect(await send(app, "GET", path, { token: owner.token })).toMatchObject({ status: 429 });
    followers[0]?.close();
    await expect
      .poll(async () => (await send(app, "GET", path, { token: owner.token })).status)
      .toBe(200);
    for (const { close } of followers) close();
    await owner.api.runs.stop({ params: { run_id: run.id } });
  });

  test("are limited to 200 per organization and 1,000 in total", () => {
    const access = createLogAccess();
    const codeOf = (orgId: string, caller: string): string => {
      try {
        access.enter({ orgId, caller });
        return "open";
      } catch (error) {
        return (error as AppError).code;
      }
    };
    const open = (orgId: string, callers: number): void => {
      for (let index = 0; index < callers * 100; index += 1) {
        expect(codeOf(orgId, `${orgId}-${index % callers}`)).toBe("open");
      }
    };
    open("first", 2);
    expect(codeOf("first", "another")).toBe("rate_limited");
    for (const orgId of ["second", "third", "fourth", "fifth"]) open(orgId, 2);
    expect(codeOf("sixth", "one")).toBe("unavailable");
  });
});
