/** `omoi automation`: the commands of the guide, with a scripted program. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Firing } from "#shared/api/work/automations.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let ada: TestPerson;
let cli: SignedInCli;
beforeAll(async () => {
  app = await startTestApp({}, "real");
  ada = await app.person("Ada");
  const organization = await makeOrganization(ada);
  await ada.api.projects.create({ body: { organization_id: organization.id, name: "shop" } });
  cli = openCli({ OMOI_URL: app.url, OMOI_TOKEN: ada.token, OMOI_ORG: organization.slug });
});
afterAll(async () => {
  cli.close();
  await app.close();
});

const name = "Weekly dependency update";
async function out(...args: string[]): Promise<string> {
  const { code, out: printed, err } = await cli.run("automation", ...args);
  expect([args, code, err]).toEqual([args, 0, ""]);
  return printed;
}

test("the guide's automation is created, tried, fired and paused", async () => {
  const [source = ""] = await codeBlocks("how-to/automations.md", "json");
  const body = JSON.parse(source) as { action: object };
  const action = { ...body.action, preset: "custom", command: acpAgent("load") };
  const file = join(app.dataDir, "weekly.json");
  await writeFile(file, JSON.stringify({ ...body, action }));
  await out("create", "shop", "--body", `@${file}`);
  expect(await out("list", "shop")).toContain(name);
  const trial = JSON.parse(await out("test", "shop", name, "--json")) as { prompt: string };
  expect(trial.prompt).toBe("Update the dependencies of shop, and run the tests.");
  await out("run", "shop", name);
  const firings = JSON.parse(await out("firings", "shop", name, "--json")) as Firing[];
  expect(firings).toMatchObject([{ type: "manual", decision: "fired", task: { number: 1 } }]);
  expect(await out("pause", "shop", name)).toContain("paused");
  const refused = await cli.run("automation", "run", "shop", name);
  expect([refused.code, refused.err]).toEqual([5, expect.stringContaining("resume it first")]);
  expect(await out("resume", "shop", name)).toContain("active");
  expect(await out("next-times", "shop", "0 7 * * 1", "Europe/Berlin")).toMatch(/T0[56]:00:00/);
  await out("delete", "shop", name, "--yes");
  expect(await out("list", "shop", "--json")).toBe("[]\n");
});
