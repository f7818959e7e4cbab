/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Task } from "#shared/api/work/tasks.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** A review from the first line to the merge, with a scripted agent that reads and answers it. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let reviewer: TestPerson;
let project: Project;
let task: Task;
let messages: string[];

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `const line${from + index} = 1;\n`).join("");
const total = `${lines(1, 40)}export const cents = Math.round(amount * 100);\n${lines(42, 80)}`;

beforeAll(async () => {
  app = await startTestApp({ OMOI_LOG_LEVEL: "error" }, "real");
  owner = await app.person("Ada");
  reviewer = await app.person("Bea");
  const org = await makeOrganization(owner);
  await owner.api.members.add({
    params: { org_id: org.id },
    body: { user_id: reviewer.id, role_id: systemRoleIds.admin },
  });
  project = await makeProjectWith(owner, org.id, {
    "src/total.ts": total,
    "src/old.ts": "export const gone = 1;\n",
    "package-lock.json": "{}\n",
  });
  await owner.api.projects.update({
    params: { project_id: project.id },
    body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
  });
  const { data } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body: "change", preset: "custom", command: acpAgent() },
  });
  task = data;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, reviewer);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const section = (path: string) => page.getByRole("region", { name: path, exact: true });
const press = (...keys: string[]): Promise<void> =>
  keys.reduce<Promise<void>>(async (before, key) => {
    await before;
    await page.keyboard.press(key);
  }, Promise.resolve());
/** The text of the row with the focus. */
const focusedRow = () =>
  page.evaluate(() => document.activeElement?.closest("tr")?.textContent ?? "");
/** Takes screenshots in both color schemes and on a phone, and looks for what is inaccessible. */
const screen = async (name: string, shown = page): Promise<void> => {
  for (const [width, colorScheme] of [
    [1440, "light"],
    [1440, "dark"],
    [390, "light"],
  ] as const) {
    await shown.setViewportSize({ width, height: 900 });
    await shown.emulateMedia({ colorScheme });
    await screenshot(shown, `${name}-${width}-${colorScheme}`);
    await expectFits(shown, `${name}, ${width}`);
    // The bar at the bottom covers a part of what is under it.
    await setBarPosition(shown, "static");
    await expectAccessible(shown, `${name}, ${width}`);
    await setBarPosition(shown, "");
  }
  await shown.setViewportSize({ width: 1440, height: 900 });
  await shown.emulateMedia({ colorScheme: "light" });
};
const setBarPosition = (shown: Page, position: string): Promise<void> =>
  shown.evaluate((value) => {
    document.querySelector<HTMLElement>("[data-bottom-bar]")?.style.setProperty("position", value);
  }, position);

test("by keyboard alone: three comments, one with a suggestion, and a request for changes", async () => {
  await page.goto(`${app.url}/tasks/${task.id}?part=changes`);
  await page.getByText("In review").first().waitFor();
  await section("src/total.ts").locator("table").first().waitFor();
  // The lock file is folded.
  await button("Expand package-lock.json").waitFor();
  await press("n");
  await expect.poll(focusedRow).toContain("gone = 1");
  await press("c");
  await page.getByRole("form", { name: "Comment on line 1 before the change" }).waitFor();
  await page.keyboard.type("Why is it gone?");
  await press("Control+Enter");
  await page.getByRole("article", { name: /^Pending: Comment on line 1 / }).waitFor();
  await page.getByText("1 comment:").waitFor();

  await press("n");
  await expect.poll(focusedRow).toContain("Math.round");
  await press("j");
  await expect.poll(focusedRow).toContain("roundHalfEven");
  await press("J");
  await expect.poll(focusedRow).toContain("line42");
  await press("c");
  await page.getByRole("form", { name: "Comment on lines 41–42" }).waitFor();
  await page.keyboard.type("Name it like the others.");
  await press("Control+Enter");
  await page.getByText("2 comments:").waitFor();

  await press("n");
  await expect.poll(focusedRow).toContain("added");
  await press("c");
  await page.getByRole("form", { name: "Comment on line 81" }).waitFor();
  await page.keyboard.type("Like this:");
  await press("Tab", "Enter");
  const suggestion = page.getByRole("textbox", { name: "Replace the lines with" });
  await suggestion.waitFor();
  expect(await suggestion.inputValue()).toBe("export const added = 1;");
  await expect.poll(() => suggestion.evaluate((field) => field.matches(":focus"))).toBe(true);
  await press("Control+a");
  await page.keyboard.type("export const added = 2;");
  await press("Control+Enter");
  await page.getByText("3 comments:").waitFor();
  await screen("review-comments");

  // Drafts survive a reload.
  await page.reload();
  await page.getByText("3 comments:").waitFor();
  await section("src/total.ts").locator("table").first().waitFor();
  await press("n", "r");
  const dialog = page.getByRole("dialog", { name: "Finish your review" });
  await dialog.getByRole("textbox", { name: /^Summary/ }).focus();
  await page.keyboard.type("Almost there.");
  await screenshot(page, "review-dialog");
  await press("Control+Enter");
  await dialog.waitFor({ state: "detached" });
  await page.getByText("Your review was sent to the agent").waitFor();
});

test("the agent's replies appear at their lines, and its changes since the review", async () => {
  await page.getByText("Renamed as you asked").waitFor();
  await page.getByText("In review").first().waitFor();
  await page.getByText("Resolved without a change").first().waitFor();
  await screen("review-replies");
  await page.getByText("Since my last review").click();
  await section("src/total.ts").getByText("roundedCents").first().waitFor();
  await expect.poll(() => section("src/old.ts").count()).toBe(0);
  await screen("review-since");
  await page.getByText("All changes", { exact: true }).click();
  await section("src/old.ts").waitFor();
});

test("a suggestion is applied, and a seen file is folded", async () => {
  await button("Apply suggestion").click();
  await page.getByText("Suggestion applied").waitFor();
  await section("src/total.ts").getByText("added = 2").first().waitFor();
  await page.getByRole("tree").getByText("old.ts", { exact: true }).click();
  await press("v");
  await page.getByText(/^1 of \d+ viewed$/).waitFor();
  await button("Expand src/old.ts").waitFor();
  await button("Show at full width").click();
  await page.waitForURL(/full=true/);
  await screen("review-full");
});

test("by mouse: a + at each line, a range by dragging, more lines, and a list of threads", async () => {
  const file = section("src/total.ts");
  const cell = (text: string) =>
    file
      .locator("tr", { hasText: `${text} =` })
      .first()
      .locator("td")
      .last();
  await cell("line40").hover();
  await page.getByRole("button", { name: "Comment on line 40" }).hover();
  await page.mouse.down();
  await cell("line39").hover();
  await page.mouse.up();
  const form = page.getByRole("form", { name: "Comment on lines 39–40" });
  await form.waitFor();
  await form.getByRole("button", { name: "Discard" }).click();
  await form.waitFor({ state: "detached" });
  expect(await cell("line1").count()).toBe(0);
  await file
    .getByRole("button", { name: /^Show \d+ lines$/ })
    .first()
    .click();
  await cell("line1").waitFor();
  await button("Show threads").click();
  await page
    .getByRole("region", { name: "Threads", exact: true })
    .getByRole("button", { name: /Name it like the others/ })
    .click();
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label")))
    .toBe("Thread on src/total.ts, lines 41–42");
});

test("where the agent has committed meanwhile, the draft stays and the newest changes are loaded", async () => {
  await page.route("**/api/v1/tasks/*/reviews", async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    return route.fulfill({
      status: 409,
      contentType: "application/problem+json",
      body: JSON.stringify({
        type: "about:blank",
        title: "The changes have moved",
        status: 409,
        detail: "The agent has committed since.",
        code: "changes_moved",
        request_id: "",
        commit_sha: "0".repeat(40),
        comments: [],
      }),
    });
  });
  await page.getByRole("main").focus();
  await press("r");
  const dialog = page.getByRole("dialog", { name: "Finish your review" });
  const summary = dialog.getByRole("textbox", { name: /^Summary/ });
  await summary.fill("One more thing.");
  await press("Control+Enter");
  await dialog.getByText(/The agent has changed the files since you read them/).waitFor();
  await screenshot(page, "review-moved");
  await page.unroute("**/api/v1/tasks/*/reviews");
  await dialog.getByRole("button", { name: "Load the newest changes" }).click();
  await dialog.getByRole("alert").waitFor({ state: "detached" });
  expect(await summary.inputValue()).toBe("One more thing.");
  await summary.fill("");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  // The refusal that was made up.
  expect(messages.splice(0)).toEqual([expect.stringContaining("409")]);
});

test("a merge request shows changes, threads and history; who requested it cannot approve it", async () => {
  await owner.api.tasks.merge({ params: { task_id: task.id } });
  const { data } = await owner.api.tasks.get({ params: { task_id: task.id } });
  const request = data.attempts[0]?.merge_request?.id ?? "";
  const own = await signedInPage(browser, app, owner);
  await own.goto(`${app.url}/projects/${project.id}/merge-requests/${request}`);
  await own.getByRole("heading", { level: 1, name: "change" }).waitFor();
  await own.getByText("requested changes").waitFor();
  await own.getByRole("region", { name: "src/total.ts", exact: true }).waitFor();
  await screen("review-merge-request", own);
  await own.getByRole("main").focus();
  await own.keyboard.press("a");
  const dialog = own.getByRole("dialog", { name: "Finish your review" });
  const approve = dialog.getByRole("radio", { name: /^Approve/ });
  await approve.waitFor();
  expect(await approve.isDisabled()).toBe(true);
  await dialog.getByText(/You asked for this merge/).waitFor();
  await screenshot(own, "review-own");
  await own.context().close();
});

test("the approval by keyboard lands the change", async () => {
  await page.getByText("Waiting for an approval.").first().waitFor();
  await press("a");
  const dialog = page.getByRole("dialog", { name: "Finish your review" });
  const approve = dialog.getByRole("radio", { name: /^Approve/ });
  await approve.waitFor();
  expect(await approve.isChecked()).toBe(true);
  await dialog.getByRole("textbox", { name: /^Summary/ }).focus();
  await press("Control+Enter");
  await dialog.waitFor({ state: "detached" });
  await page
    .getByText(/^●?Done$/)
    .first()
    .waitFor();
  expect(messages).toEqual([]);
});
