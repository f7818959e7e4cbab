/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** The tabs of a project: their addresses, and what each of them shows. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let project: Project;
let workspaces: Workspace[];

const tabs = [
  { name: "Overview", path: "", tables: ["Predicted conflicts"] },
  { name: "Tasks", path: "/tasks", tables: [] },
  { name: "Agents", path: "/agents", tables: ["Agents"] },
  { name: "Merges and queue", path: "/merges", tables: ["Merges", "Waiting merges"] },
  { name: "Branches", path: "/branches", tables: ["Branches", "Workspaces"] },
  { name: "Automations", path: "/automations", tables: [] },
  { name: "Settings", path: "/settings", tables: ["Checks"] },
] as const;

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  project = await makeProjectWith(owner, org.id, {
    "src/auth/oauth2_handler.py": "a\nb\nc\n",
    "src/app.py": "1\n2\n3\n",
  });
  workspaces = [];
  for (let nth = 0; nth < 6; nth += 1) {
    workspaces.push((await makeWorkspace(owner, project.id)).workspace);
  }
  const [one, two, three, four, five] = workspaces as [
    Workspace,
    Workspace,
    Workspace,
    Workspace,
    Workspace,
  ];
  for (const [nth, workspace] of [four, five].entries()) {
    await commitFiles(owner, workspace, { [`docs/${nth}.md`]: "text\n" });
    await mergeIntoBase(owner, workspace);
  }
  await commitFiles(owner, one, { "src/auth/oauth2_handler.py": "a\nB\nc\n", "new.py": "one\n" });
  await commitFiles(owner, two, { "src/auth/oauth2_handler.py": "a\nbe\nc\n", "new.py": "two\n" });
  await commitFiles(owner, three, { "new.py": "three\n" });
  const params = { project_id: project.id };
  const protected_branches = [{ pattern: "main", approvals: 1 }];
  await owner.api.projects.update({ params, body: { protected_branches } });
  await owner.api.mergeQueue.setCheck({
    params: { ...params, name: "test" },
    body: { command: ["npm", "test"] },
  });
  await owner.api.workspaces.createMerge({
    params: { agent_id: three.agent_id },
    body: { queue: true },
  });
  for (const { agent_id } of [one, two]) {
    await owner.api.runs.create({ params: { agent_id }, body: { external: true } });
  }
  // No one sends heartbeats, and the tests take longer than a lease.
  await queryAsOwner(
    app,
    `update runs set lease_expires_at = now() + interval '1 hour'
      where kind = 'leased' and ended_at is null`,
  );
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

test("the tabs fit every screen, and the current one is in view", async () => {
  for (const { name, path } of tabs) {
    for (const width of [1440, 1024, 390]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.goto(addressOf(path));
      await heading(name).waitFor();
      await tablesOf();
      await expectFits(page);
      const isInView = async (): Promise<boolean> => {
        const link = (await tabLink(name).boundingBox()) ?? { x: -1, width: 0 };
        return link.x >= 0 && link.x + link.width <= width;
      };
      // It is scrolled there after it has been rendered.
      await expect.poll(isInView, { message: `${name} at ${width}` }).toBe(true);
      const picture = `project-${path.slice(1) || "overview"}-${width}`;
      await screenshot(page, picture);
      await page.emulateMedia({ colorScheme: "dark" });
      await screenshot(page, `${picture}-dark`);
      await page.emulateMedia({ colorScheme: "light" });
      if (width !== 1024) await expectAccessibleInBothSchemes(page, `${name} at ${width}`);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(messages).toEqual([]);
});
