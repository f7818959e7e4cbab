/// <reference lib="dom" />
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { insertAttempt } from "#test/support/database/insert-attempt.js";
import { insertPaidRun } from "#test/support/database/insert-paid-run.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { insertPastRuns, type PastRun } from "#test/support/database/past-runs.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, signedInPage, screenshot, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let consoleMessages: string[];
let ada: TestPerson;
let grace: TestPerson;
let organization: Organization;

const at = (day: number, hour: number): string =>
  new Date(Date.UTC(2025, 9, day, hour)).toISOString();

/** October 2025: more work in the middle of the month, nothing on weekends; one run at night. */
function october(agents: readonly Agent[]): PastRun[] {
  const runs = agents.flatMap(({ id: agentId }, worker) =>
    Array.from({ length: 31 }, (_, index) => index + 1)
      .filter((day) => new Date(at(day, 0)).getUTCDay() % 6 !== 0)
      .map((day) => ({
        agentId,
        from: at(day, 9 + worker),
        to: at(day, 10 + worker + Math.round(3 * Math.sin(day / 10))),
      })),
  );
  return [...runs, { agentId: (agents[0] as Agent).id, from: at(15, 22), to: at(16, 3) }];
}

beforeAll(async () => {
  app = await startTestApp();
  ada = await app.person("Ada-Lovelace");
  grace = await app.person("Grace-Hopper");
  organization = (
    await ada.api.organizations.create({
      body: { name: "Acme Corp", billing_email: "billing@acme.example" },
    })
  ).data;
  const params = { org_id: organization.id };
  const { data: roles } = await ada.api.roles.list({ params });
  const viewer = roles.find(({ name }) => name === "viewer")?.id ?? "";
  await ada.api.members.add({ params, body: { user_id: grace.id, role_id: viewer } });
  const agents: Agent[] = [];
  for (const [name, workers] of [
    ["Authentication service", ["worker-1", "worker-2"]],
    ["=Billing, export", ["worker-3"]],
  ] as const) {
    const body = { organization_id: organization.id, name, slug: workers[0] };
    const { data: project } = await ada.api.projects.create({ body });
    for (const worker of workers) {
      const agent = { project_id: project.id, name: worker };
      agents.push((await ada.api.agents.create({ body: agent })).data);
    }
  }
  await insertPastRuns(app, organization.id, october(agents));

  browser = await launchBrowser();
  page = await signedInPage(browser, app, ada);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const settings = (tab: string): string =>
  `${app.url}/organizations/${organization.id}/settings?tab=${tab}`;

/** Returns the lines and name of the file that a link downloads. */
async function download(name: string): Promise<{ file: string; lines: string[] }> {
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name, exact: true }).click(),
  ]);
  const text = await readFile(await saved.path(), "utf8");
  return { file: saved.suggestedFilename(), lines: text.trimEnd().split("\r\n") };
}

const focused = (): Promise<string | null> =>
  page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? null);

test("the Resources tab shows a month's hours by day, project and agent", async () => {
  await page.goto(settings("resources"));
  await page.getByText(/^Nothing ran in/).waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "usage-nothing-yet");

  await page.getByRole("combobox", { name: "Month", exact: true }).selectOption("October 2025");
  const chart = page.getByRole("list", { name: "Run time a day in October 2025" });
  const bars = chart.getByRole("listitem");
  await chart.waitFor();
  expect(await bars.count()).toBe(31);
  expect(await bars.nth(14).getAttribute("aria-label")).toBe(
    "Wed, Oct 15: 14 h, at most 3 agents at once",
  );
  await page.getByText("of 100 h in the month").waitFor();
  const ticks = page.locator("figure", { has: chart }).getByText(/^[\d.,]+ h$/);
  expect(await ticks.allInnerTexts()).toEqual(["16 h", "8 h", "0 h"]);

  // A single tab stop; arrow keys move between bars.
  await bars.first().focus();
  await page.keyboard.press("ArrowRight");
  expect(await focused()).toMatch(/^Thu, Oct 2: /);
  await page.keyboard.press("End");
  expect(await focused()).toMatch(/^Fri, Oct 31: /);
  const tooltip = page.getByText("Fri, Oct 31", { exact: true });
  await tooltip.waitFor();
  await page.keyboard.press("Escape");
  await tooltip.waitFor({ state: "hidden" });
  await bars.nth(14).hover();
  await page.getByText("Wed, Oct 15", { exact: true }).waitFor();
  await chart.scrollIntoViewIfNeeded();
  await screenshot(page, "usage-resources");
  await expectAccessibleInBothSchemes(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await bars.nth(14).hover();
  await screenshot(page, "usage-resources-dark");
  await page.emulateMedia({ colorScheme: "light" });

  const projects = page.getByRole("table", { name: "Usage by project", exact: true });
  await projects.getByRole("row", { name: /^=Billing, export/ }).waitFor();
  await projects.scrollIntoViewIfNeeded();
  await screenshot(page, "usage-tables");

  const { file, lines } = await download("Download CSV of October 2025 by project");
  expect(file).toBe("usage-acme-corp-2025-10-by-project.csv");
  expect(lines[0]).toBe("period,project_id,project_name,agents,runs,runtime_hours");
  expect(lines.slice(1).join("\n")).toContain(`"'=Billing, export"`);
  const total = lines.slice(1).reduce((sum, line) => sum + Number(line.split(",").at(-1)), 0);
  const hours = Math.floor(Math.round(total * 60) / 60);
  await projects.getByRole("row", { name: `Total 3 70 ${hours} h` }).waitFor();
  expect((await download("Download CSV of October 2025 by day")).lines).toHaveLength(32);

  await page.setViewportSize({ width: 320, height: 844 });
  await expectFits(page);
  await chart.scrollIntoViewIfNeeded();
  await screenshot(page, "phone-usage-resources");
  await projects.scrollIntoViewIfNeeded();
  await screenshot(page, "phone-usage-tables");
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(consoleMessages).toEqual([]);
});

test("costs are shown by day, person, task and model, with the trend", async () => {
  const { data: projects } = await ada.api.projects.list({
    query: { organization_id: organization.id },
  });
  const params = { project_id: projects[0]?.id ?? "" };
  const { data: task } = await ada.api.tasks.create({
    params,
    body: { body: "Invoices round half cents the wrong way", start: false },
  });
  const { data: worker } = await ada.api.agents.create({ body: { ...params, name: "rounding" } });
  await insertAttempt(app, task.id, worker.id, randomUUID());
  const { data: free } = await ada.api.agents.create({ body: { ...params, name: "free" } });
  const byGrace = { type: "user" as const, id: grace.id, name: "Grace-Hopper" };
  for (const [agentId, date, costUsd] of [
    [worker.id, "2025-07-02", 10],
    [worker.id, "2025-08-05", 12.5],
    [free.id, "2025-08-06", 2.25],
  ] as const) {
    const [from, to] = [`${date}T09:00:00Z`, `${date}T10:30:00Z`];
    await insertPaidRun(app, { agentId, from, to, startedBy: byGrace, costUsd, tokens: 50_000 });
  }

  await page.goto(settings("resources"));
  await page.getByRole("combobox", { name: "Month", exact: true }).selectOption("August 2025");
  await page.getByText("$14.75, 48% more than in July 2025.").waitFor();
  const chart = page.getByRole("list", { name: "Costs a day in August 2025" });
  expect(await chart.getByRole("listitem").nth(4).getAttribute("aria-label")).toBe(
    "Tue, Aug 5: $12.50, 50,000 tokens",
  );
  await chart.scrollIntoViewIfNeeded();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "costs-by-day");

  const tab = (name: string) => page.getByRole("tab", { name, exact: true });
  await tab("Person").click();
  const persons = page.getByRole("table", { name: "Costs by person" });
  await persons.getByRole("row", { name: /Ada.* 1 1 h 30 min 50,000 \$12\.50/ }).waitFor();
  await persons.getByRole("row", { name: /Grace.* 0 1 h 30 min 50,000 \$2\.25/ }).waitFor();
  await screenshot(page, "costs-by-person");
  // Month and tab are in the address.
  expect(page.url()).toMatch(/[?&]month=2025-08&costs=person$/);
  await page.reload();
  await persons.getByRole("row", { name: /Ada.* 1 1 h 30 min 50,000 \$12\.50/ }).waitFor();
  const { file, lines } = await download("Download CSV of August 2025 by person");
  expect([file, lines.length]).toEqual(["usage-acme-corp-2025-08-by-person.csv", 3]);

  await tab("Task").click();
  const tasks = page.getByRole("table", { name: "Costs by task" });
  await tasks.getByRole("row", { name: /^Runs without a task .* \$2\.25/ }).waitFor();
  await tasks.scrollIntoViewIfNeeded();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "costs-by-task");
  await page.setViewportSize({ width: 390, height: 844 });
  await expectFits(page);
  await tasks.scrollIntoViewIfNeeded();
  await screenshot(page, "phone-costs-by-task");
  await tab("Day").click();
  await expectFits(page);
  await screenshot(page, "phone-costs-by-day");
  await page.setViewportSize({ width: 1440, height: 900 });
  await tab("Model").click();
  await page.getByRole("table", { name: "Usage by model" }).getByText("claude").first().waitFor();
  await tab("Task").click();
  const link = tasks.getByRole("link", { name: /#1 Invoices round half cents/ });
  expect(await link.getAttribute("href")).toBe(`/tasks/${task.id}`);
  expect(consoleMessages).toEqual([]);
});

test("the limit of open child tasks is set beside the other limits", async () => {
  await page.goto(settings("resources"));
  const form = page.getByRole("form", { name: "Resources" });
  const limit = form.getByLabel("Max open child tasks");
  await expect.poll(() => limit.inputValue()).toBe("20");
  await limit.fill("1001");
  await form.getByRole("button", { name: "Update Limits" }).click();
  await expect.poll(() => limit.getAttribute("aria-invalid")).toBe("true");
  await limit.fill("5");
  await form.getByRole("button", { name: "Update Limits" }).click();
  await page.getByText("Limits updated").waitFor();
  const { data } = await ada.api.organizations.get({ params: { org_id: organization.id } });
  expect(data.max_open_child_tasks).toBe(5);
});

test("a limit below today's use is saved only after a question", async () => {
  const { data: agents } = await ada.api.agents.list({
    query: { organization_id: organization.id },
  });
  const now = new Date().toISOString();
  const startedBy = { type: "user" as const, id: ada.id, name: "Ada-Lovelace" };
  const agentId = agents[0]?.id ?? "";
  await insertPaidRun(app, { agentId, from: now, to: now, startedBy, costUsd: 12 });
  await queryAsOwner(
    app,
    `insert into model_spending values ($1, $1, date_trunc('month', now() at time zone 'UTC'), 1000, 12000000000)`,
    [organization.id],
  );
  await page.goto(settings("resources"));
  const form = page.getByRole("form", { name: "Model budgets" });
  const limit = form.getByLabel("US dollars a month");
  const dialog = page.getByRole("dialog", { name: "Save a limit below today's use?" });
  const read = async () =>
    (await ada.api.organizations.get({ params: { org_id: organization.id } })).data
      .max_model_cost_usd;
  await limit.fill("10");
  await page.getByRole("button", { name: "Save budgets" }).click();
  await dialog
    .getByText("The limit is below today's use of $12.00. Calls to models stop at once.")
    .waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "limit-question");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  expect([await read(), await limit.inputValue()]).toEqual([null, "10"]);
  await page.getByRole("button", { name: "Save budgets" }).click();
  await dialog.getByRole("button", { name: "Save limit" }).click();
  await expect.poll(read).toBe(10);
  await limit.fill("20");
  await page.getByRole("button", { name: "Save budgets" }).click();
  await expect.poll(read).toBe(20);

  const at = new Date(Date.now() - 1000).toISOString();
  await insertPastRuns(app, organization.id, [{ agentId, from: at, to: null }]);
  await page.getByLabel("Max Concurrent Agents").fill("0");
  await page.getByRole("button", { name: "Update Limits" }).click();
  await dialog
    .getByText(/^The limit is below today's use of 1 agent\. They keep running/)
    .waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  expect(consoleMessages).toEqual([]);
});

test("the Billing tab links to a statement, which is shown, saved and printed", async () => {
  await page.goto(settings("billing"));
  const list = page.getByRole("table", { name: "Statements" });
  await list.getByRole("row", { name: /October 2025 .*Closed/ }).waitFor();
  await list.getByRole("row", { name: /Open, month to date/ }).waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "billing");
  await page.setViewportSize({ width: 320, height: 844 });
  await expectFits(page);
  await list.scrollIntoViewIfNeeded();
  await screenshot(page, "phone-billing");
  await page.setViewportSize({ width: 1440, height: 900 });

  await page.getByRole("link", { name: "October 2025" }).click();
  await page.getByRole("heading", { name: "Statement for October 2025" }).waitFor();
  await page.getByText("billing@acme.example").waitFor();
  await page.getByText("2025-10-01 to 2025-10-31 (UTC)").waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "statement");
  await page.emulateMedia({ colorScheme: "dark" });
  await screenshot(page, "statement-dark");

  // A print from dark mode is black on white, without the app's navigation.
  await page.emulateMedia({ colorScheme: "dark", media: "print" });
  await page.setViewportSize({ width: 690, height: 1000 });
  for (const control of ["Print", "Open menu"]) {
    expect(await page.getByRole("button", { name: control }).isVisible()).toBe(false);
  }
  expect(await page.getByRole("navigation", { name: "Breadcrumbs" }).isVisible()).toBe(false);
  expect(
    await page.evaluate(() => {
      const { color, backgroundColor } = getComputedStyle(document.body);
      return [color, backgroundColor];
    }),
  ).toEqual(["rgb(0, 0, 0)", "rgb(255, 255, 255)"]);
  await expectFits(page);
  await screenshot(page, "statement-print");
  // A month of two projects fits two sheets: rows are table rows, not the cards of a phone.
  const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
  expect(/\/Count (\d+)/.exec(pdf)?.[1]).toBe("2");
  await page.emulateMedia({ colorScheme: "light", media: "screen" });
  await page.setViewportSize({ width: 320, height: 844 });
  await expectFits(page);
  await screenshot(page, "phone-statement");
  await page.setViewportSize({ width: 1440, height: 900 });

  await page.evaluate(() => {
    window.print = () => document.body.setAttribute("data-printed", "");
  });
  await page.getByRole("button", { name: "Print" }).click();
  await page.locator("body[data-printed]").waitFor();
  const { file, lines } = await download("Download CSV of October 2025");
  expect(file).toBe("statement-acme-corp-2025-10.csv");
  expect(lines.map((line) => line.split(",")[0])).toEqual(
    ["section", "total", "project", "project", "agent", "agent", "agent"].concat(
      Array(31).fill("day") as string[],
    ),
  );
  expect(consoleMessages).toEqual([]);
});

test("a month without a statement is not found, and an empty one is marked", async () => {
  await page.goto(`${app.url}/organizations/${organization.id}/statements/2025-11`);
  await page.getByText("Nothing ran in November 2025").waitFor();
  await expectAccessibleInBothSchemes(page);
  await page.goto(`${app.url}/organizations/${organization.id}/statements/2019-01`);
  await page.getByText("The statement was not found").waitFor();
  const crumbs = page.getByRole("navigation", { name: "Breadcrumbs" });
  await crumbs.getByRole("link", { name: "Organizations" }).waitFor();
  expect(consoleMessages.every((message) => message.includes("404"))).toBe(true);
});

test("users without access to statements see the reason and the usage", async () => {
  page = await signedInPage(browser, app, grace);
  await page.goto(settings("billing"));
  await page.getByText("may not see billing details and statements (org:billing:read)").waitFor();
  expect(await page.getByRole("table", { name: "Statements" }).count()).toBe(0);
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "billing-viewer");
  await page.goto(`${app.url}/organizations/${organization.id}/statements/2025-10`);
  await page.getByText("You may not see this statement").waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "statement-viewer");
  await page.goto(settings("resources"));
  await page.getByRole("combobox", { name: "Month", exact: true }).selectOption("October 2025");
  await page.getByRole("table", { name: "Usage by agent" }).waitFor();
});
