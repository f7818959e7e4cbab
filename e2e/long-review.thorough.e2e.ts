/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
} from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** A review of many files, whose lines are read as they come near, with a notebook. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let workspace: Workspace;
let task: Task;
let messages: string[];

const count = 80;
const pathOf = (file: number): string => `src/part-${String(file).padStart(3, "0")}.ts`;
const source = (file: number, version: string): string =>
  Array.from({ length: 60 }, (_, line) => {
    const value = line % 3 === 0 ? version : "same";
    return `export const name${file}x${line} = "${value}";\n`;
  }).join("");
const notebook = (text: string, output: string): string =>
  JSON.stringify(
    {
      cells: [
        { cell_type: "markdown", id: "a", source: ["# Prices\n"] },
        {
          cell_type: "code",
          id: "b",
          source: [`${text}\n`],
          outputs: [{ output_type: "stream", name: "stdout", text: [`${output}\n`] }],
        },
      ],
      metadata: { language_info: { file_extension: ".py" } },
      nbformat: 4,
    },
    null,
    1,
  );

beforeAll(async () => {
  app = await startTestApp({ OMOI_LOG_LEVEL: "error" }, "real");
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const files = (version: string): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, file) => [pathOf(file), source(file, version)]),
    );
  const project = await makeProjectWith(owner, org.id, {
    ...files("before"),
    "prices.ipynb": notebook("price = 1", "1"),
  });
  const { data } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body: "say hello", preset: "custom", command: acpAgent() },
  });
  task = data;
  const read = async () => (await owner.api.tasks.get({ params: { task_id: task.id } })).data;
  await vi.waitFor(async () => expect((await read()).attention).not.toBeNull(), {
    timeout: 120_000,
    interval: 200,
  });
  const agent_id = task.attempts[0]?.agent_id ?? "";
  ({ data: workspace } = await owner.api.workspaces.get({ params: { agent_id } }));
  await commitFiles(owner, workspace, {
    ...files("after"),
    "prices.ipynb": notebook("price = 2", "2"),
  });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
}, 300_000);
afterAll(async () => {
  await browser.close();
  await app.close();
});

const section = (path: string) => page.getByRole("region", { name: path, exact: true });
const focusedRow = () =>
  page.evaluate(() => document.activeElement?.closest("tr")?.textContent ?? "");

test("a notebook shows its changed cells, with folded outputs", async () => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${app.url}/tasks/${task.id}?part=changes&full=true`);
  const cell = section("prices.ipynb").getByRole("region", { name: "Cell 2, changed" });
  await cell.getByText("price =").first().waitFor();
  expect(await section("prices.ipynb").getByText("# Prices").count()).toBe(0);
  await cell.getByText("Outputs", { exact: true }).click();
  await cell.locator("table").nth(1).waitFor();
  for (const width of [1440, 1024, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await screenshot(page, `long-review-${width}`);
    await expectFits(page, `notebook, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await expectAccessible(page, "notebook");
  await section("prices.ipynb").getByRole("button", { name: "Show lines, to comment" }).click();
  await section("prices.ipynb").getByText('"price = 2\\n"').first().waitFor();
});

test("/ finds names in lines that are not read yet, and leads to them by keyboard", async () => {
  await page.getByRole("main").focus();
  await page.keyboard.press("/");
  await page.keyboard.type("name71x3");
  const found = page.getByRole("region", { name: "Found lines" });
  // Whole names come first.
  await found
    .getByRole("button", { name: /part-071\.ts:4.*name71x3 =/ })
    .first()
    .waitFor();
  await screenshot(page, "long-review-search");
  await expectAccessible(page, "search");
  await page.keyboard.press("Enter");
  await expect.poll(focusedRow, { timeout: 120_000 }).toContain("name71x3 ");
  await page.keyboard.press("n");
  await expect.poll(focusedRow, { timeout: 120_000 }).toContain("name71x6 ");
});

test("n goes on to files whose lines are not read, and few lines are drawn at once", async () => {
  await page.getByRole("searchbox", { name: "Find in the changed lines" }).fill("name40x57");
  const found = page.getByRole("region", { name: "Found lines" });
  await found
    .getByRole("button", { name: /name40x57 =/ })
    .first()
    .waitFor();
  await page.keyboard.press("Enter");
  await expect.poll(focusedRow, { timeout: 120_000 }).toContain("name40x57 ");
  await page.keyboard.press("n");
  await expect.poll(focusedRow, { timeout: 120_000 }).toContain("name41x0 ");
  for (let at = 0; at < 60; at += 1) {
    await page.mouse.wheel(0, 2000);
    await page.waitForTimeout(50);
  }
  await expect.poll(() => page.locator("[data-review-patch] tr").count()).toBeLessThan(2000);
  expect(messages).toEqual([]);
});

test("since a review, a notebook shows the cells that have changed after it", async () => {
  const params = { task_id: task.id };
  const { data: changes } = await owner.api.reviews.changes({ params });
  await owner.api.reviews.publish({
    params,
    body: { verdict: "comment", body: "Seen.", commit_sha: changes.commit_sha },
  });
  await commitFiles(owner, workspace, { "prices.ipynb": notebook("price = 3", "3") });
  await page.goto(`${app.url}/tasks/${task.id}?part=changes&full=true`);
  await page.getByText("Since my last review").click();
  const cell = section("prices.ipynb").getByRole("region", { name: "Cell 2, changed" });
  await expect.poll(() => cell.innerText(), { timeout: 30_000 }).toMatch(/price = 2[^]*price = 3/);
  await screenshot(page, "long-review-since");
  expect(messages).toEqual([]);
});
