import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Runner } from "#shared/api/execution/runners.js";
import { RUNNER_PROTOCOL, type OfferRequest } from "#shared/execution/runner/protocol.js";
import { databaseUrlOf } from "../support/database/queries.js";
import { makeOrganization } from "../support/fixtures/factories.js";
import { insertCluster, seeRunner } from "../support/runners/runners.js";
import { omoi, type CliResult } from "../support/server/cli.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";

describe("omoi admin runner", () => {
  let app: TestApp;
  let root: TestPerson;
  let run: (...args: string[]) => Promise<CliResult>;
  beforeAll(async () => {
    app = await startTestApp();
    root = await app.person("root");
    const env = {
      OMOI_DATABASE_URL: databaseUrlOf(app),
      OMOI_DATA_DIR: app.dataDir,
      OMOI_SECRET: app.config.secret,
      OMOI_PUBLIC_URL: app.url,
    };
    run = (...args) => omoi(env, "admin", "runner", ...args);
  });
  afterAll(() => app.close());

  const list = async (): Promise<Runner[]> => (await root.api.runners.list({ query: {} })).data;

  test("registers a runner whose token the server knows", async () => {
    expect((await run("list")).out).toBe("No runners yet.\n");
    const added = await run("add", "gpu-1");
    expect([added.code, added.err]).toEqual([0, ""]);
    expect(added.out).toContain("gpu-1 is registered.");
    const command = /OMOI_RUNNER_TOKEN=(omoi_runner_\w{36}) omoi runner --url (\S+) --labels linux/;
    const [, token, url] = command.exec(added.out) ?? [];
    expect(url).toBe(app.url);
    const offers = await fetch(`${app.url}/runner/v1/offers`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({
        protocol: RUNNER_PROTOCOL,
        labels: ["linux"],
        networks: ["none"],
        slots: 2,
        free: 2,
        version: "0.2.0",
        host: "box",
        wait_seconds: 0,
      } satisfies OfferRequest),
    });
    expect([offers.status, await offers.json()]).toEqual([200, { runs: [] }]);
    expect(await list()).toMatchObject([
      { name: "gpu-1", status: "online", labels: ["linux"], slots: 2, organization_id: null },
    ]);
    const listed = await run("list");
    expect(listed.out).toMatch(/^NAME +KIND +STATUS +RUNS +LABELS/);
    expect(listed.out).toMatch(/gpu-1 +machine +online +0 of 2 +linux +all +0\.2\.0 +box/);
  });

  test("registers a runner of one organization", async () => {
    const organization = await makeOrganization(root);
    const added = await run("add", "own", "--organization", organization.slug, "--json");
    expect(JSON.parse(added.out)).toMatchObject({
      name: "own",
      organization_id: organization.id,
      token: expect.stringMatching(/^omoi_runner_/) as string,
    });
    const unknown = await run("add", "other", "--organization", "no-such-one");
    expect([unknown.code, unknown.err]).toEqual([4, expect.stringContaining("(not_found)")]);
  });

  test("pauses, resumes and removes a runner by its name", async () => {
    await run("add", "changing");
    const find = async () => (await list()).find(({ name }) => name === "changing");
    expect((await run("pause", "changing")).out).toContain("changing is paused");
    expect((await find())?.paused).toBe(true);
    expect((await run("list")).out).toMatch(/changing +machine +offline, paused/);
    const resumed = await run("resume", "Changing", "--json");
    expect((JSON.parse(resumed.out) as Runner).paused).toBe(false);
    expect((await run("remove", "changing")).out).toBe("changing is removed.\n");
    expect(await find()).toBeUndefined();
    const { data } = await root.api.admin.auditEvents({ query: { limit: 4 } });
    expect(data.map(({ action, actor }) => [action, actor.type])).toEqual([
      ["runner.removed", "operator"],
      ["runner.resumed", "operator"],
      ["runner.paused", "operator"],
      ["runner.registered", "operator"],
    ]);
  });

  test("pauses and resumes the cluster, and removes it once it is offline", async () => {
    const id = await insertCluster(app);
    expect((await run("list")).out).toMatch(/kubernetes +cluster +online +0 of 50 +all/);
    expect((await run("pause", "kubernetes")).out).toContain("kubernetes is paused");
    expect((await run("list")).out).toMatch(/kubernetes +cluster +paused/);
    const used = await run("remove", "kubernetes");
    expect([used.code, used.err]).toEqual([5, expect.stringContaining("(cluster_online)")]);
    expect((await run("resume", "kubernetes")).out).toBe("kubernetes takes runs.\n");
    await seeRunner(app, id, 61);
    expect((await run("list")).out).toMatch(/kubernetes +cluster +offline/);
    expect((await run("remove", "kubernetes")).out).toBe("kubernetes is removed.\n");
    expect((await list()).filter(({ kind }) => kind === "cluster")).toEqual([]);
  });

  test("explains errors, and sets the exit code", async () => {
    await run("add", "twice");
    const again = await run("add", "TWICE");
    expect([again.code, again.err]).toEqual([5, expect.stringContaining("(runner_name_taken)")]);
    for (const change of ["pause", "resume", "remove"]) {
      const unknown = await run(change, "no-such-runner");
      expect([unknown.code, unknown.err]).toEqual([4, expect.stringContaining("(not_found)")]);
    }
    const blank = await run("add", " ");
    expect([blank.code, blank.err]).toEqual([2, expect.stringContaining("The name ")]);
  });
});
