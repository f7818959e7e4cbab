/// <reference lib="dom" />
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeWorkspace, writeFiles } from "#test/support/fixtures/factories.js";
import { launchBrowser, signedInPage } from "./support/browser.js";
import { makeRoles, type Roles, walkAs } from "./support/roles.js";

let app: TestApp;
let browser: Browser;
let roles: Roles;

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  roles = await makeRoles(app);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

// The other roles, and whether the pages are accessible to each, are in the thorough file.
test("as a member, every page of the flows offers the role's actions", async () => {
  await walkAs({ role: "member", mayManage: false, mayWork: true }, browser, app, roles);
});

test("untrusted names and messages execute nothing and hide nothing", async () => {
  const owner = roles.people["owner"] as TestPerson;
  const hostile = `<img src=x onerror="window.hit=1">\u202egnp.exe`;
  const { data: org } = await owner.api.organizations.create({
    body: { name: hostile, slug: "hostile" },
  });
  const body = { organization_id: org.id, name: hostile, slug: "hostile", description: hostile };
  const { data: project } = await owner.api.projects.create({ body });
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  await writeFiles(workspace, { "<b>bold</b>.md": hostile });
  await owner.api.workspaces.createCommit({
    params: { agent_id: agent.id },
    body: { commit_type: "manual", message: hostile },
  });
  const page = await signedInPage(browser, app, owner);
  for (const path of [
    "/organizations",
    `/organizations/${org.id}`,
    `/projects/${project.id}`,
    `/agents/${agent.id}/workspace`,
  ]) {
    await page.goto(app.url + path);
    await page.getByText("U+202E").first().waitFor();
    expect(await page.evaluate(() => "hit" in window)).toBe(false);
    expect(await page.locator("img[src=x]").count()).toBe(0);
  }
  await page.context().close();
});
