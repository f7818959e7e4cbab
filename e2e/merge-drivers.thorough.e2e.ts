import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { makeDiverged } from "#test/support/fixtures/merge-drivers.js";
import { listDeps, lockSides, regenerateBy } from "#test/support/fixtures/regenerate.js";
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
  app = await startTestApp({ OMOI_LOG_LEVEL: "error" }, "real");
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
  await page.goto(`${app.url}/projects/${project.id}/settings`);
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

test("a driver that runs a command has its line, timeout and network", async () => {
  await page.goto(`${app.url}/projects/${project.id}/settings`);
  await card().getByRole("button", { name: "Add driver" }).click();
  await card().getByLabel("Pattern 3").fill("deps.lock");
  await card().getByLabel("Driver 3").selectOption("regenerate");
  await card().getByLabel("Command 3").fill("sh -c 'ls deps > deps.lock");
  await card().getByText("A quote (') is not closed").waitFor();
  await card().getByLabel("Command 3").fill("sh -c 'ls deps > deps.lock'");
  await card().getByLabel("Timeout 3 in seconds").fill("301");
  await card().getByRole("button", { name: "Save Changes" }).click();
  await card().getByText("Must be at most 300 seconds").waitFor();
  await card().getByLabel("Timeout 3 in seconds").fill("60");
  await card().getByLabel("Network 3").selectOption("full");
  await expectAccessibleInBothSchemes(page);
  await expectFits(page);
  await card().getByRole("button", { name: "Save Changes" }).click();
  await expect
    .poll(async () => (await saved())[2])
    .toEqual({
      pattern: "deps.lock",
      driver: "regenerate",
      command: ["sh", "-c", "ls deps > deps.lock"],
      network: "full",
      timeout_seconds: 60,
    });
  await page.reload();
  expect(await card().getByLabel("Command 3").inputValue()).toBe("sh -c 'ls deps > deps.lock'");
});

test("a file that a command regenerates needs no decision, and its merge links the log", async () => {
  const other = await makeDiverged(
    owner,
    project.organization_id,
    {
      base: { ...lockSides.base, "deps/x": "0\n" },
      target: { ...lockSides.target, "deps/x": "1\n" },
      source: { ...lockSides.source, "deps/x": "2\n" },
    },
    [regenerateBy(listDeps)],
  );
  const { agent_id } = other.params;
  await page.goto(`${app.url}/agents/${agent_id}/workspace/merge?strategy=manual`);
  await page.getByText("1 conflict to decide.").waitFor();
  const decide = (path: string) => page.getByRole("group", { name: `Decide ${path}` });
  await page.getByText("Without a decision, the merge regenerates the file by").waitFor();
  const regenerate = decide("deps.lock").getByRole("button", { name: "Regenerate" });
  expect(await regenerate.getAttribute("aria-pressed")).toBe("true");
  await decide("deps.lock")
    .getByRole("button", { name: /^Take target/ })
    .click();
  expect(await regenerate.getAttribute("aria-pressed")).toBe("false");
  await regenerate.click();
  await expectAccessibleInBothSchemes(page);
  await expectFits(page);
  await decide("deps/x")
    .getByRole("button", { name: /^Take source/ })
    .click();
  await page.getByRole("button", { name: "Merge", exact: true }).click();
  await page.getByText("Regenerated by").waitFor({ timeout: 30_000 });
  await page.getByRole("link", { name: "Open the log" }).click();
  await page.getByText("listed", { exact: true }).waitFor();
  expect(messages).toEqual([]);
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
