import { afterAll, beforeAll, expect, test } from "vitest";
import type { MaintenanceState } from "#shared/api/operation/maintenance.js";
import { databaseUrlOf } from "../support/database/queries.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";
import { omoi, type CliResult } from "../support/server/cli.js";

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
  };
  run = (...args) => omoi(env, "admin", "maintenance", ...args);
});
afterAll(() => app.close());

const create = () => root.api.organizations.create({ body: { name: "Acme" } });

test("omoi admin maintenance begins, shows and ends it, for the running server at once", async () => {
  expect((await run()).out).toBe("Not in maintenance.\n");
  const on = await run("on", "--message", "Back at 18:00 UTC");
  expect([on.code, on.err]).toEqual([0, ""]);
  expect(on.out).toMatch(/^In maintenance since \d{4}-.* UTC: Back at 18:00 UTC\n$/);
  const { detail } = await expectProblem(create(), 503, "maintenance");
  expect(detail).toContain("Back at 18:00 UTC");
  const state = JSON.parse((await run("--json")).out) as MaintenanceState;
  expect(state).toEqual((await root.api.maintenance.get()).data);
  const longer = await run("on", "-m", "Back at 19:00 UTC", "--json");
  expect(JSON.parse(longer.out)).toEqual({ ...state, message: "Back at 19:00 UTC" });
  const off = await run("off");
  expect([off.code, off.out]).toEqual([0, "Not in maintenance.\n"]);
  expect((await create()).status).toBe(201);
  const { data } = await root.api.admin.auditEvents();
  expect(data.map(({ action, actor }) => [action, actor.type])).toEqual([
    ["maintenance.ended", "operator"],
    ["maintenance.changed", "operator"],
    ["maintenance.started", "operator"],
  ]);
});

test("omoi admin maintenance needs a message of one line", async () => {
  for (const args of [["on"], ["on", "-m", ""], ["on", "-m", "two\nlines"], ["no"]]) {
    expect((await run(...args)).code, args.join(" ")).toBe(2);
  }
});
