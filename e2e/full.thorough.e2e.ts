// Thorough: thousands of commits, files, conflicts and runs.
/// <reference lib="dom" />
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { GraphCommit } from "#shared/api/code/graph.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, signedInPage, watchConsole } from "./support/browser.js";
import { fill, type FullData } from "./support/full-data.js";

/**
 * Large amounts of data: pages render only the visible part, and everything can be reached by keyboard.
 */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let full: FullData;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  full = await fill(app, owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const workspacePath = (): string => `${app.url}/agents/${full.busy.agent.id}/workspace`;
/** Returns the number of elements in a part of the page. */
const sizeOf = (part: Locator): Promise<number> => part.locator("*").count();

test("of two thousand commits only visible ones are rendered; the keyboard reaches each", async () => {
  await page.goto(`${app.url}/projects/${full.project.id}/branches`);
  const graph = page.getByRole("grid", { name: "Commits, newest first" });
  const row = (place: number) => graph.locator(`[role=row][aria-rowindex="${place}"]`);
  await row(1).waitFor();
  const params = { project_id: full.project.id };
  const newest = async (limit: number) =>
    (await owner.api.graph.get({ params, query: { limit } })).data.commits;
  const subjectOf = (commit: GraphCommit | undefined): string => commit?.subject ?? "no commit";
  const focused = graph.locator(":focus");
  const older = button("Show older");
  for (const limit of [50, 150, 450, 1350, 2000]) {
    // Once they have loaded.
    await expect
      .poll(async () => {
        await graph.getByRole("row").first().focus();
        await page.keyboard.press("End");
        return focused.getAttribute("aria-rowindex");
      })
      .toBe(String(limit));
    expect(await focused.innerText()).toContain(subjectOf((await newest(limit)).at(-1)));
    expect(await graph.getByRole("row").count()).toBeLessThan(80);
    if (limit === 2000) break;
    // The whole graph is a single tab stop.
    await page.keyboard.press("Tab");
    expect(await older.evaluate((element) => element === document.activeElement)).toBe(true);
    await page.keyboard.press("Enter");
  }
  await page.getByText("The newest 2,000 commits").waitFor();
  expect(await sizeOf(graph)).toBeLessThan(4000);
  await page.keyboard.press("Home");
  await expect
    .poll(() => row(1).evaluate((element) => element === document.activeElement))
    .toBe(true);
  // The focused row stays rendered, however far the list is scrolled.
  await graph.evaluate((element) => element.scrollTo({ top: 20_000 }));
  await row(640).waitFor();
  await page.keyboard.press("ArrowDown");
  await expect
    .poll(() => row(2).evaluate((element) => element === document.activeElement))
    .toBe(true);
  await expectAccessible(page, "the project of 2 000 commits");
  const commits = await newest(2000);
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/commits/${commits[1]?.sha}$`));
  expect(messages).toEqual([]);
});

test("the organization menu searches two hundred organizations", async () => {
  await page.goto(`${app.url}/organizations`);
  const switcher = button(/^Current organization/);
  await switcher.focus();
  await page.keyboard.press("Enter");
  const search = page.getByRole("combobox", { name: "Switch organization" });
  await search.waitFor();
  await page.getByText("162 more: type to find them.").waitFor();
  await expectAccessible(page, "the search for an organization");
  await page.keyboard.type("division 200");
  await page.getByRole("option", { name: /^Division 200/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("Switched to Division 200").waitFor();
  await button("Current organization: Division 200").waitFor();
  await expect
    .poll(() => switcher.evaluate((element) => element === document.activeElement))
    .toBe(true);
  await page.keyboard.press("Enter");
  await search.waitFor();
  await expect
    .poll(() => search.evaluate((element) => element === document.activeElement))
    .toBe(true);
  await page.keyboard.type("division 1");
  await page.getByRole("option", { name: /^Division 1 / }).click();
  await button("Current organization: Division 1").waitFor();
  expect(messages).toEqual([]);
});

test("a long audit log is paginated", async () => {
  const orgId = full.organizations[0]?.id as string;
  await page.goto(`${app.url}/organizations/${orgId}/settings?tab=audit`);
  const rows = page.getByRole("table", { name: "Audit log" }).getByRole("row");
  await page.getByText("Page 1", { exact: true }).waitFor();
  const seen: string[] = [];
  for (let number = 1; ; number += 1) {
    await page.getByText(`Page ${number}`, { exact: true }).waitFor();
    // Until then the previous page is shown.
    await expect.poll(() => button("Next").getAttribute("aria-busy")).not.toBe("true");
    const details = button(/^Details of event \d+$/);
    expect(await rows.count()).toBeLessThanOrEqual(51);
    for (const element of await details.all())
      seen.push((await element.getAttribute("aria-label")) ?? "");
    if ((await button("Next").getAttribute("aria-disabled")) === "true") break;
    await button("Next").click();
  }
  const total = Number(seen[0]?.replaceAll(/\D/g, ""));
  expect(total).toBeGreaterThan(150);
  expect(seen).toEqual(
    Array.from({ length: total }, (_, index) => `Details of event ${total - index}`),
  );
  await expectAccessible(page, "the last page of the audit log");
  expect(messages).toEqual([]);
});

test("the tree of a diff of two thousand files is one tab stop and reaches the last file", async () => {
  const { agent } = full.busy;
  const params = { agent_id: agent.id };
  const { data: commits } = await owner.api.workspaces.commits({ params, query: { limit: 1 } });
  await page.goto(`${workspacePath()}/commits/${commits[0]?.commit_sha}`);
  await page.getByRole("heading", { name: /^2,000 files changed/ }).waitFor();
  const tree = page.getByRole("tree", { name: "Files by folder" });
  const items = tree.getByRole("treeitem");
  await items.first().focus();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("End");
  const focused = tree.locator(":focus");
  const name = (await focused.getAttribute("title")) as string;
  expect(await items.count()).toBeLessThan(120);
  await page.keyboard.press("Enter");
  const section = page.locator("section[id^=file-]:focus");
  await expect.poll(() => section.getAttribute("aria-label")).toContain(name);
  await button(new RegExp(`^Collapse .*${name.replaceAll(".", "\\.")}$`)).waitFor();
  await page.getByLabel("Filter files by path").fill(name);
  await expect.poll(() => items.count()).toBeLessThan(10);
  await expectAccessible(page, "a diff of 2 000 files, filtered");
  expect(messages).toEqual([]);
});

test("five hundred conflicts are resolved one by one", async () => {
  await page.goto(`${app.url}/agents/${full.torn.agent.id}/workspace/merge?strategy=manual`);
  await page.getByText("0 of 500 decided").waitFor();
  await button("Next undecided").click();
  await page.keyboard.press("t");
  await page.getByText("1 of 500 decided").waitFor();
  await page.keyboard.press("u");
  await page.keyboard.press("s");
  await page.getByText("2 of 500 decided").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("e");
  await page.locator("section[id^=conflict-] textarea:focus").waitFor();
  // Instead of the merged text.
  await page.keyboard.press("Control+A");
  await page.keyboard.type("// by hand");
  await page.getByText("3 of 500 decided").waitFor();
  expect(await page.locator("section[id^=conflict-]").count()).toBe(500);
  expect(messages).toEqual([]);
});

test("five hundred runs are paginated, and their timeline is one tab stop", async () => {
  await page.goto(`${app.url}/agents/${full.busy.agent.id}/runs`);
  const table = page.getByRole("table", { name: "Runs" });
  await table.getByRole("row").nth(25).waitFor();
  expect(await table.getByRole("row").count()).toBe(26);
  const picture = page.getByRole("group", { name: "Timeline" });
  const bars = picture.locator("[data-bar]");
  await expect.poll(() => bars.count()).toBe(500);
  await bars.first().focus();
  await page.keyboard.press("End");
  expect(await bars.last().evaluate((element) => element === document.activeElement)).toBe(true);
  await button("Next").click();
  await page.getByText("Page 2", { exact: true }).waitFor();
  await page.getByText("Hour", { exact: true }).click();
  await expect.poll(() => bars.count()).toBeLessThan(40);
  await bars.first().waitFor();
  await expectAccessible(page, "an agent of 500 runs");
  expect(messages).toEqual([]);
});

/** Opens each page in a window of a width. */
async function expectGoodAt(width: number, paths: readonly string[]): Promise<void> {
  const tab = await page.context().newPage();
  tab.setDefaultTimeout(30_000);
  const seen = watchConsole(tab);
  await tab.setViewportSize({ width, height: 800 });
  for (const path of paths) {
    await tab.goto(app.url + path);
    await tab.getByRole("heading", { level: 1 }).waitFor();
    await tab.getByText("Loading…").first().waitFor({ state: "detached" });
    await tab.waitForLoadState("networkidle");
    const faults = await tab.evaluate(() => {
      const rightOf = (element: Element | null) => element?.getBoundingClientRect().right ?? 0;
      const wide = [...document.querySelectorAll("table")].filter(
        (table) => rightOf(table) > rightOf(table.closest("section")) + 1,
      );
      return {
        scrolled: window.scrollY,
        tooWide: document.documentElement.scrollWidth > window.innerWidth,
        tables: wide.map((table) => table.getAttribute("aria-label")),
      };
    });
    const good = { scrolled: 0, tooWide: false, tables: [] };
    expect({ width, path, ...faults }).toEqual({ width, path, ...good });
  }
  await tab.close();
  expect(seen).toEqual([]);
}

test("in a narrow window pages begin at the top and tables stay within their cards", async () => {
  const orgId = full.organizations[0]?.id as string;
  // The agent with the widest table cells; its runs have exhausted the quota.
  const body = { max_agent_runtime_hours: 10_000 };
  await owner.api.organizations.update({ params: { org_id: orgId }, body });
  const params = { agent_id: full.busy.agent.id };
  await owner.api.runs.create({ params, body: { external: true } });
  const paths = [
    `/organizations/${orgId}/settings?tab=audit`,
    "/agents",
    ...["", "/workspace", "/changes", "/conflicts", "/runs", "/settings"].map(
      (tab) => `/agents/${full.busy.agent.id}${tab}`,
    ),
    `/projects/${full.project.id}`,
    ...["agents", "merges", "branches", "settings"].map(
      (tab) => `/projects/${full.project.id}/${tab}`,
    ),
  ];
  // The widths at once: most of the duration is waiting for the end of requests.
  await Promise.all([1024, 768, 390].map((width) => expectGoodAt(width, paths)));
  expect(messages).toEqual([]);
});
