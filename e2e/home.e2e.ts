import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import { makeBusyOrganization } from "./support/busy-organization.js";
import { type MakeTask, minutesAgo, taskMaker } from "./support/home-tasks.js";

/** The team lead's first page. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let makeTask: MakeTask;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  const busy = await makeBusyOrganization(app, owner);
  makeTask = taskMaker(app, owner, busy.project.id);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const list = (name: string, on = page) => on.getByRole("list", { name, exact: true });
const needsYou = (on = page) => on.getByRole("region", { name: "Needs you", exact: true });
const rows = (on = page) => needsYou(on).locator("[data-row]");
const row = (text: string | RegExp, on = page) => rows(on).filter({ hasText: text });
/** The section of a row. */
const sectionRow = (section: string, text: string | RegExp, on = page) =>
  list(section, on).getByRole("listitem").filter({ hasText: text });

test("shows what needs a person, what runs and what was done today, on every screen", async () => {
  await page.goto(app.url);
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await row("Run failed with exit code 1").getByRole("button", { name: "Run again" }).waitFor();
  const conflict = sectionRow("Conflicts", "src/auth/oauth.py");
  await conflict.getByText("Changed by worker-1 and worker-2").waitFor();
  await row("docker build").getByRole("button", { name: /^Deny/ }).waitFor();
  await list("Working now").getByText("Applying 0042_sessions_uuid.sql (3 of 7)").waitFor();
  await list("Done today").getByText("docs-writer").waitFor();
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `home-${width}-${colorScheme}`);
    }
    await expectFits(page, `home, ${width}`);
    await expectAccessibleInBothSchemes(page, `home, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
});

test("j and k move, e marks as done with a way back, Enter opens", async () => {
  await page.goto(app.url);
  await row("Run failed").waitFor();
  const focusedRow = () =>
    page.evaluate(`document.activeElement.closest("[data-row]")?.dataset.row ?? ""`);
  const first = await rows().first().getAttribute("data-row");
  await page.keyboard.press("j");
  expect(await focusedRow()).toBe(first);
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  expect(await focusedRow()).toBe(first);
  const count = await rows().count();
  await page.keyboard.press("e");
  await expect.poll(() => rows().count()).toBe(count - 1);
  expect(await focusedRow()).not.toBe(first);
  expect(await focusedRow()).not.toBe("");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => rows().count()).toBe(count);

  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("Mark the row as done").waitFor();
  await page.keyboard.press("Escape");
  // In the search, letters are text.
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search and commands" }).fill("je");
  await page.keyboard.press("Escape");
  expect(await rows().count()).toBe(count);

  await row("Run failed").getByRole("link").first().focus();
  await page.keyboard.press("Enter");
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Run [0-9a-f]{8}$/)
    .waitFor();
  await page.goBack();
  await row("Run failed").waitFor();
});

test("a failed run is repeated in place, and moves to the running work", async () => {
  await page.goto(app.url);
  await row("Run failed").getByRole("button", { name: "Run again" }).click();
  await page.getByText("Run started").waitFor();
  // It fails again, which is news.
  await page.getByRole("button", { name: "1 new" }).click();
  await row("Run failed").waitFor();
});

/** Answers the calls of tasks, and returns what was sent. */
async function watchTaskCalls(on: Page): Promise<string[]> {
  const sent: string[] = [];
  await on.route(/\/api\/v1\/tasks\/[^/]+\/(prompts|retry|stop)$/, async (route) => {
    const call = route.request();
    sent.push(`${call.url().split("/").slice(-2).join("/")} ${call.postData() ?? ""}`.trim());
    await route.fulfill({ json: {} });
  });
  return sent;
}

test("a question is answered below its row, a failure retried, silent work stopped", async () => {
  await makeTask("Half-cent rounding", {
    kind: "question",
    summary: "Should refunds round the same way as invoices?",
    since: minutesAgo(4),
  });
  await makeTask("Flaky payment test", { kind: "failed", since: minutesAgo(3) });
  await makeTask("Typed env variables", { kind: "stuck", since: minutesAgo(19) });
  const sent = await watchTaskCalls(page);
  await page.goto(app.url);
  await row("Half-cent rounding").getByRole("button", { name: "Answer…" }).click();
  const field = page.getByRole("textbox", { name: "Your answer" });
  await field.fill("Yes, the same way");
  // A draft survives a reload.
  await page.reload();
  await row("Half-cent rounding").getByRole("button", { name: "Answer…" }).click();
  expect(await field.inputValue()).toBe("Yes, the same way");
  await screenshot(page, "home-answer-1440-light");
  await field.press("Enter");
  await page.getByText("Answer sent").waitFor();
  await field.waitFor({ state: "detached" });
  await row("Flaky payment test").getByRole("button", { name: "Retry" }).click();
  await page.getByText("Task started again").waitFor();
  await row("Typed env variables").getByRole("button", { name: "Stop" }).click();
  await page.getByText("Task stopped. Its changes are kept.").waitFor();
  expect(sent.map((call) => call.replace(/^[^/]+\//, ""))).toEqual([
    expect.stringMatching(/^prompts \{"text":"Yes, the same way","attempt_id":"/),
    "retry",
    "stop",
  ]);
  await page.unroute(/\/api\/v1\/tasks/);
});

test("s snoozes until a time, with a way back", async () => {
  await makeTask("Sort the imports", { kind: "delivery_unknown" });
  await page.goto(app.url);
  const link = row("Sort the imports").locator("[data-row-link]");
  await link.focus();
  await page.keyboard.press("s");
  const dialog = page.getByRole("dialog", { name: "Snooze until" });
  await dialog.getByRole("button", { name: /^Tomorrow/ }).waitFor();
  await screenshot(page, "home-snooze-1440-light");
  await dialog.getByRole("button", { name: /^Tomorrow/ }).click();
  await page.getByText(/^Snoozed until \w{3} 09:00$/).waitFor();
  await row("Sort the imports").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await row("Sort the imports").waitFor();
  // The time passes.
  await row("Sort the imports").getByRole("button", { name: "Snooze" }).click();
  await dialog.getByRole("button", { name: /^In 1 hour/ }).click();
  await page.getByText(/^Snoozed until/).waitFor();
  await queryAsOwner(
    app,
    "update attention_dismissals set until = now() where item_key like 'task:%' and until is not null",
    [],
  );
  await page.reload();
  await row("Sort the imports").waitFor();
});

test("the console has no errors", () => {
  expect(messages).toEqual([]);
});
