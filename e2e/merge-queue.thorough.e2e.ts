// Thorough: checks and the merge queue in the browser; the API's are in the gate.
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Checks, protected branches and the merge queue through the pages, with the real sandbox. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let project: Project;
let good: Workspace;
let bad: Workspace;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  owner = await app.person("Ada");
  const reviewer = await app.person("Grace");
  const org = await makeOrganization(owner);
  const body = { user_id: reviewer.id, role_id: systemRoleIds.admin };
  await owner.api.members.add({ params: { org_id: org.id }, body });
  project = await makeProjectWith(owner, org.id, { "src/app.ts": "export {};\n" });
  good = (await makeWorkspace(owner, project.id)).workspace;
  bad = (await makeWorkspace(owner, project.id)).workspace;
  await commitFiles(owner, good, { "src/good.ts": "export const good = 1;\n" });
  await commitFiles(owner, bad, { "src/broken.ts": "export const broken = ;\n" });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const field = (name: string) => page.getByLabel(name, { exact: true });
const card = (name: string) =>
  page.locator("section", { has: page.getByRole("heading", { level: 2, name, exact: true }) });

test("a person creates a check and protects the branch with it", async () => {
  await page.goto(`${app.url}/projects/${project.id}/settings`);
  await button("New check").click();
  await field("Name").fill("test");
  await field("Command").fill("sh -c 'test ! -e src/broken.ts && echo 3 tests passed'");
  await field("Required output (optional)").fill("(");
  await button("Save").click();
  await page.getByText("is no regular expression").waitFor();
  await field("Required output (optional)").fill("[1-9] tests? passed");
  await expectAccessible(page);
  await screenshot(page, "check-dialog");
  await button("Save").click();
  const checks = page.getByRole("table", { name: "Checks", exact: true });
  await checks.getByText("3 tests passed").waitFor();
  await page.getByRole("checkbox", { name: "test", exact: true }).check();
  await button("Save Changes", page.getByRole("form", { name: "Protected branches" })).click();
  await page.getByText("Protected branches saved").waitFor();
  await expectAccessible(page);
  await screenshot(page, "project-protection");
  await page.getByRole("link", { name: "Merges and queue" }).click();
  await page.getByText("Nothing is waiting to be merged.").waitFor();
  await page.goBack();
  const { data } = await owner.api.projects.get({ params: { project_id: project.id } });
  expect(data.protected_branches).toEqual([
    {
      pattern: "main",
      checks: ["test"],
      approvals: 0,
      strategy: null,
      dismiss_stale_approvals: true,
      resolve_threads: false,
      reviews: [],
    },
  ]);
  const remove = button("Delete test");
  await expect.poll(() => remove.getAttribute("title").then(String)).not.toMatch(/^Checking/);
  expect(await remove.getAttribute("aria-disabled")).toBe("true");
});

test("the merge page explains the queue, and the request shows its check with the log", async () => {
  await page.goto(`${app.url}/agents/${good.agent_id}/workspace/merge`);
  messages.length = 0;
  await page.getByText("it changes only through the merge queue, after the check test").waitFor();
  await screenshot(page, "merge-protected");
  await button("Queue merge").click();
  await page.getByRole("heading", { level: 1, name: `Merge of ${good.agent_name}` }).waitFor();
  await page
    .getByText(/Merged$/)
    .first()
    .waitFor();
  await button("Show log of test").click();
  await page.getByText("3 tests passed", { exact: true }).waitFor();
  await expectAccessible(page);
  await screenshot(page, "merge-request");
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, "merge-request-390");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole("link", { name: "Open the merge" }).click();
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Merge [0-9a-f]{12}$/)
    .waitFor();
  expect(messages).toEqual([]);
});

test("a rejected merge names the check that failed", async () => {
  await page.goto(`${app.url}/agents/${bad.agent_id}/workspace/merge`);
  await button("Queue merge").click();
  await page.getByText("A check failed. test: Its command exited with code 1.").waitFor();
  await page
    .getByText(/Failed$/)
    .first()
    .waitFor();
  await screenshot(page, "merge-request-rejected");
  await page.goto(`${app.url}/projects/${project.id}/merges`);
  const queue = card("Merge queue");
  await queue.getByText("Ended requests").click();
  await queue
    .getByText(/Rejected$/)
    .first()
    .waitFor();
});

test("the queue is live: a request waits for an approval, and is canceled", async () => {
  const params = { project_id: project.id };
  const protected_branches = [{ pattern: "main", approvals: 2 }];
  await owner.api.projects.update({ params, body: { protected_branches } });
  await page.goto(`${app.url}/projects/${project.id}/merges`);
  const queue = card("Merge queue");
  await queue.getByText("Nothing is waiting to be merged.").waitFor();
  await commitFiles(owner, good, { "src/more.ts": "export {};\n" });
  const { agent_id } = good;
  await owner.api.workspaces.createMerge({ params: { agent_id }, body: { queue: true } });
  await queue.getByText("Waiting for 2 approvals.").waitFor();
  await expectAccessible(page);
  await screenshot(page, "merge-queue");
  await page.setViewportSize({ width: 390, height: 844 });
  await queue.scrollIntoViewIfNeeded();
  await screenshot(page, "merge-queue-390");
  await page.setViewportSize({ width: 1440, height: 900 });
  const name = `${good.branch_name} into main`;
  await queue.getByText("You requested this merge; someone else has to approve it.").waitFor();
  expect(await button(`Approve ${name}`, queue).count()).toBe(0);
  await button(`Cancel ${name}`, queue).click();
  await button("Cancel the merge").click();
  await page.getByText("The merge is canceled").waitFor();
  await queue.getByText("Nothing is waiting to be merged.").waitFor();
});
