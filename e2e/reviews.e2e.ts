/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import { makeReviewTask, reviewScreen } from "./support/review-task.js";

/** A review by the keyboard, with a scripted agent. */
let app: TestApp;
let browser: Browser;
let page: Page;
let task: Task;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_LOG_LEVEL: "error" }, "real");
  const made = await makeReviewTask(app);
  task = made.task;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, made.reviewer);
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
  await reviewScreen(page, "review-comments");

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
  expect(messages).toEqual([]);
});
