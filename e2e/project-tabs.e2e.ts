/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { launchBrowser, signedInPage, watchConsole } from "./support/browser.js";
import { makeProjectWithTabs, tabs } from "./support/project-tabs.js";

/** The tabs of a project: their addresses, and what each of them shows. */
let app: TestApp;
let browser: Browser;
let page: Page;
let messages: string[];
let project: Project;

beforeAll(async () => {
  app = await startTestApp();
  const owner = await app.person("Ada");
  project = await makeProjectWithTabs(app, owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const addressOf = (path: string): string => `${app.url}/projects/${project.id}${path}`;
const heading = (tab: string) =>
  page.getByRole("heading", {
    level: 1,
    name: tab === "Overview" ? project.name : `${project.name} – ${tab}`,
    exact: true,
  });
const tabLink = (name: string) =>
  page.getByRole("navigation", { name: "Project" }).getByRole("link", { name, exact: true });
const card = (title: string) =>
  page.locator("section").filter({ has: page.getByRole("heading", { name: title, exact: true }) });

/** The labels of the page's tables, once its parts have loaded. */
async function tablesOf(): Promise<(string | null)[]> {
  await page.locator("[data-loading]").first().waitFor({ state: "detached" });
  return page.getByRole("table").evaluateAll((all) => all.map((table) => table.ariaLabel));
}

test("the tabs are links; heading, title and focus follow, and so does the back button", async () => {
  await page.goto(addressOf(""));
  for (const { name, path } of tabs.slice(1)) {
    await tabLink(name).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(addressOf(path));
    await expect
      .poll(() => heading(name).evaluate((element) => element === document.activeElement))
      .toBe(true);
    expect(await page.title()).toBe(`${name} of ${project.name} · Omoi`);
    expect(await tabLink(name).getAttribute("aria-current")).toBe("page");
    expect(await tabLink("Overview").getAttribute("aria-current")).toBeNull();
  }
  for (const { name, path } of tabs.slice(0, -1).toReversed()) {
    await page.goBack();
    await page.waitForURL(addressOf(path));
    await expect
      .poll(() => heading(name).evaluate((element) => element === document.activeElement))
      .toBe(true);
  }
  expect(await page.title()).toBe(`${project.name} · Omoi`);
  expect(messages).toEqual([]);
});

test("each tab has an address of its own, and no table is in two of them", async () => {
  const seen: (string | null)[] = [];
  for (const { name, path, tables } of tabs) {
    await page.goto(addressOf(path));
    await heading(name).waitFor();
    for (const label of tables) {
      await page.getByRole("table", { name: label, exact: true }).waitFor();
    }
    seen.push(...(await tablesOf()));
  }
  expect(seen).toEqual([...new Set(seen)]);
  expect(seen).toEqual(expect.arrayContaining(tabs.flatMap(({ tables }) => tables)));
});

test("an address of the project with the view of a list leads to the list's tab", async () => {
  for (const [search, path, label] of [
    ["?q=worker&sort=name", "/agents", "Agents"],
    ["?merges_q=main", "/merges", "Merges"],
    ["?workspaces_sort=-updated", "/branches", "Workspaces"],
  ] as const) {
    await page.goto(addressOf(search));
    await page.waitForURL(addressOf(path + search));
    await page.getByRole("table", { name: label, exact: true }).waitFor();
  }
});

test("upcoming conflicts are visible without scrolling, beside what is under way", async () => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(addressOf(""));
  const conflicts = page.getByRole("table", { name: "Predicted conflicts" });
  await conflicts.getByText("src/auth/oauth2_handler.py").waitFor();
  await expect.poll(() => conflicts.getByRole("row").count()).toBeGreaterThan(3);
  const { y = Infinity, height = 0 } = (await conflicts.boundingBox()) ?? {};
  expect(y).toBeGreaterThan(0);
  expect(y + height).toBeLessThan(900);
  await card("Merge queue").getByText("Waiting for an approval.").waitFor();
  const running = page.getByRole("list", { name: "Running agents" });
  await expect.poll(() => running.getByRole("listitem").count()).toBe(2);
  const recent = page.getByRole("list", { name: "Recent merges" });
  await expect.poll(() => recent.getByRole("listitem").count()).toBe(3);
  await page.getByText(`git clone ${project.clone_url}`).waitFor();
  await card("Recent merges").getByRole("link", { name: "All 3 merges" }).click();
  await page.waitForURL(addressOf("/merges"));
  await page.goBack();
  await card("Running agents").getByRole("link", { name: "All 7 agents" }).click();
  await page.waitForURL(addressOf("/agents"));
  await page.goBack();
  await card("Running agents").getByRole("button", { name: "New agent" }).click();
  await page.waitForURL(addressOf("/agents?new=true"));
  await page.getByRole("dialog", { name: "New agent" }).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(addressOf("/agents"));
});
