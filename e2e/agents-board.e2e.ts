import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { commitFiles } from "#test/support/fixtures/factories.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import { type BusyOrganization, makeBusyOrganization } from "./support/busy-organization.js";

/** Agents as a board and as a dense list. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let busy: BusyOrganization;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  busy = await makeBusyOrganization(app, owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const column = (name: string) => page.getByRole("region", { name, exact: true });
const cardOf = (columnName: string, agent: string) =>
  column(columnName)
    .getByRole("listitem")
    .filter({ has: page.getByRole("link", { name: agent, exact: true }) });
const table = () => page.getByRole("table", { name: "Agents" });
/** Clicks a column's button, and waits for the order. */
async function sortBy(name: string, order: "ascending" | "descending"): Promise<void> {
  const button = page.getByRole("button", { name, exact: true });
  await button.click();
  const heading = page.locator("th", { has: button });
  await expect.poll(() => heading.getAttribute("aria-sort")).toBe(order);
}
const choose = (view: string) => page.getByText(view, { exact: true }).click();

async function pictures(name: string): Promise<void> {
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `${name}-${width}-${colorScheme}`);
    }
    await expectFits(page, `${name}, ${width}`);
    await expectAccessibleInBothSchemes(page, `${name}, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
}

test("the board has a column for each state, and a card tells why and what it has", async () => {
  await page.goto(`${app.url}/agents`);
  await table().waitFor();
  await choose("Board");
  await page.waitForURL(/view=board/);
  await cardOf("Working", "migrator").getByText("Applying 0042").waitFor();
  await cardOf("Needs you", "flaky-hunter").getByText("Failed, exit code 1").waitFor();
  await cardOf("Needs you", "worker-1").getByText("1 conflict").waitFor();
  await cardOf("Needs you", "idle-hands").getByText("Asks for permission").waitFor();
  await cardOf("Ready to merge", "perf-1").getByText("+13").waitFor();
  await cardOf("Idle", "docs-writer").waitFor();
  await pictures("agents-board");
});

test("the choice is remembered, and the search finds cards", async () => {
  await page.goto(`${app.url}/agents`);
  await column("Working").waitFor();
  await page.getByRole("searchbox", { name: "Search agents" }).fill("payment");
  await cardOf("Needs you", "flaky-hunter").waitFor();
  await cardOf("Working", "migrator").waitFor({ state: "detached" });
  await page.goto(`${app.url}/agents?view=list`);
  await table().waitFor();
  await page.goto(`${app.url}/projects/${busy.project.id}/agents`);
  await column("Working").waitFor();
});

test("cards move while others work, and lead to their agents", async () => {
  await page.goto(`${app.url}/agents?view=board`);
  await cardOf("Ready to merge", "perf-1").waitFor();
  const worker = busy.workspaces.get("worker-1");
  if (!worker) throw new Error("worker-1 is missing");
  await commitFiles(owner, worker, { "src/auth/oauth.py": "one\ntwo\nthree\n" });
  await commitFiles(owner, worker, { "src/auth/github.py": "login = None\n" });
  await cardOf("Ready to merge", "worker-1").waitFor();
  const { agent_id = "" } = busy.workspaces.get("migrator") ?? {};
  const { data: agent } = await owner.api.agents.get({ params: { agent_id } });
  await owner.api.runs.stop({ params: { run_id: agent.current_run?.id ?? "" } });
  await cardOf("Idle", "migrator").waitFor();
  await cardOf("Idle", "docs-writer").click();
  await page.getByRole("heading", { level: 1, name: "docs-writer" }).waitFor();
});

test("the list is dense, sorted and filtered", async () => {
  await page.goto(`${app.url}/agents?view=list`);
  const rows = () => table().getByRole("row").allTextContents();
  await table().getByText("Failed, exit code 1").waitFor();
  await pictures("agents-list");
  for (const width of [800, 1024]) {
    await page.setViewportSize({ width, height: 900 });
    await expectFits(page, `agents-list, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await sortBy("Status", "ascending");
  await page.waitForURL(/sort=status/);
  expect((await rows())[1]).toContain("Needs you");
  await sortBy("Unmerged", "ascending");
  await sortBy("Unmerged", "descending");
  await page.waitForURL(/sort=-changes/);
  expect((await rows())[1]).toMatch(/commit/);
  await page.getByLabel("Filter by status").selectOption("ready");
  await page.waitForURL(/status=ready/);
  await expect.poll(async () => (await rows()).length).toBe(4);
});

test("a row of a table opens what its first link opens, and its own actions do theirs", async () => {
  await page.goto(`${app.url}/agents?view=list`);
  const row = table().getByRole("row").filter({ hasText: "docs-writer" });
  const name = row.getByRole("cell").nth(1);
  // A selection is for copying.
  const { x, y, width, height } = (await name.boundingBox()) as Record<
    "x" | "y" | "width" | "height",
    number
  >;
  await page.mouse.move(x + 12, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width - 4, y + height / 2, { steps: 5 });
  await page.mouse.up();
  const [selected, path] = await page.evaluate<[string, string]>(
    "[getSelection().toString(), location.pathname]",
  );
  expect(selected).not.toBe("");
  expect(path).toBe("/agents");
  await page.evaluate("getSelection().empty()");
  const [opened] = await Promise.all([
    page.context().waitForEvent("page"),
    name.click({ modifiers: ["ControlOrMeta"] }),
  ]);
  await opened.waitForURL(/\/agents\/[0-9a-f-]{36}$/);
  await opened.close();
  await name.click();
  await page.waitForURL(/\/agents\/[0-9a-f-]{36}$/);
  await page.goBack();
  await row.getByRole("link", { name: "Open workspace" }).click();
  await page.waitForURL(/\/workspace$/);
});

test("the console has no errors", () => {
  expect(messages).toEqual([]);
});
