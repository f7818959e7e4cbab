import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { launchBrowser, signedInPage, watchConsole, watchQuiet } from "./support/browser.js";

/** Changes by others appear on an open page without a reload, well before any polling. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

/** Opens a page and waits for its event stream. */
async function open(where: Page, path: string): Promise<void> {
  const listening = where.waitForResponse((response) => response.url().includes("/events?"));
  await where.goto(app.url + path);
  await listening;
}

test("projects, members, agents and commits of others appear automatically", async () => {
  const org = await makeOrganization(owner);
  await open(page, "/projects");
  const project = await makeProject(owner, org.id);
  await page.getByRole("link", { name: project.name }).waitFor();

  await open(page, `/organizations/${org.id}/settings?tab=members`);
  await page
    .getByRole("heading", { name: /^Members/ })
    .first()
    .waitFor();
  const bob = await app.person("Bob");
  const body = { user_id: bob.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: org.id }, body });
  await page.getByText(bob.email).first().waitFor();

  const { agent, workspace } = await makeWorkspace(owner, project.id);
  await open(page, `/agents/${agent.id}/workspace`);
  await page.getByText("Total Commits").waitFor();
  const commit = await commitFiles(owner, workspace, { "hello.txt": "hello" });
  await page.getByText(commit.commit_sha.slice(0, 7)).first().waitFor();
  expect(messages).toEqual([]);
});

test("changes missed while the page was hidden or the server unreachable appear afterwards", async () => {
  const org = (await owner.api.organizations.list()).data[0]?.id as string;
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  const quiet = watchQuiet(devtools);
  await open(page, "/projects");
  await page
    .getByRole("link", { name: /^project-/ })
    .first()
    .waitFor();
  // All refetches after the stream's start have completed.
  await quiet();
  const seen = (state: string): Promise<void> =>
    page.evaluate((value) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, value });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await seen("hidden");
  const project = await makeProject(owner, org);
  await page.waitForTimeout(800);
  expect(await page.getByRole("link", { name: project.name }).count()).toBe(0);
  await seen("visible");
  await page.getByRole("link", { name: project.name }).waitFor();
});

test("changes from before the stream's start appear once it is open", async () => {
  const org = (await owner.api.organizations.list()).data[0]?.id as string;
  let letThrough = (): void => {};
  const held = new Promise<void>((resolve) => (letThrough = resolve));
  await page.route("**/events*", async (request) => {
    await held;
    await request.continue();
  });
  await page.goto(`${app.url}/projects`);
  await page
    .getByRole("link", { name: /^project-/ })
    .first()
    .waitFor();
  const project = await makeProject(owner, org);
  expect(await page.getByRole("link", { name: project.name }).count()).toBe(0);
  letThrough();
  await page.getByRole("link", { name: project.name }).waitFor();
  await page.unroute("**/events*");
});
