import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/projects/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, signedInPage, watchConsole } from "./support/browser.js";

/** The merge drivers of a project, and the files that they merged. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let project: Project;

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  project = await makeProjectWith(owner, org.id, { "a.json": '{"a": 1}\n', "go.sum": "a\n" });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const card = () =>
  page
    .locator("section")
    .filter({ has: page.getByRole("heading", { name: "Merge drivers", exact: true }) });
const saved = async () =>
  (await owner.api.projects.get({ params: { project_id: project.id } })).data.merge_drivers;

test("merge drivers are added, ordered and removed", async () => {
  await page.goto(`${app.url}/projects/${project.id}`);
  await card().scrollIntoViewIfNeeded();
  for (const [index, pattern] of ["a//b", "go.sum", "docs/**"].entries()) {
    await card().getByRole("button", { name: "Add driver" }).click();
    await card()
      .getByLabel(`Pattern ${index + 1}`)
      .fill(pattern);
  }
  await card().getByLabel("Driver 2").selectOption("union");
  await card().getByText("Keeps the lines of both sides").waitFor();
  await card().getByRole("button", { name: "Save Changes" }).click();
  await card().getByText("Must be a path without empty parts").waitFor();
  expect(await saved()).toEqual([]);
  await card().getByLabel("Pattern 1").fill("**/*.json");
  await card().getByRole("button", { name: "Move up: go.sum" }).click();
  // The focus follows the driver.
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe(
    "Move up: go.sum",
  );
  await card().getByRole("button", { name: "Remove: docs/**" }).click();
  await expectAccessibleInBothSchemes(page);
  await expectFits(page);
  await card().getByRole("button", { name: "Save Changes" }).click();
  await page.getByText("Merge drivers saved").first().waitFor();
  expect(await saved()).toEqual([
    { pattern: "go.sum", driver: "union" },
    { pattern: "**/*.json", driver: "json" },
  ]);
});

test("previews and merges name the driver of each file", async () => {
  const { workspace: one } = await makeWorkspace(owner, project.id);
  const { workspace: two } = await makeWorkspace(owner, project.id);
  await commitFiles(owner, one, { "a.json": '{"a": 2}\n', "go.sum": "a\nb\n" });
  await commitFiles(owner, two, { "a.json": '{"a": 3}\n', "go.sum": "a\nc\n" });
  await mergeIntoBase(owner, one);
  const expectFiles = async (): Promise<void> => {
    const files = page.getByRole("table", { name: "Files with a merge driver" });
    const rows = files.getByRole("row");
    await rows.nth(2).waitFor();
    expect(await rows.nth(1).innerText()).toContain('both sides changed "a"');
    expect(await rows.nth(2).innerText()).toContain("Merged by the driver.");
  };
  await page.goto(`${app.url}/agents/${two.agent_id}/workspace/merge`);
  await expectFiles();
  const merge = await mergeIntoBase(owner, two);
  await page.goto(`${app.url}/agents/${two.agent_id}/workspace/merges/${merge.id}`);
  await expectFiles();
  await expectAccessibleInBothSchemes(page);
  expect(messages).toEqual([]);
});
