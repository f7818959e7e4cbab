// Thorough: what the agent makes of a review, the mouse, a merge request and the approval.
/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Task } from "#shared/api/work/tasks.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import { makeReviewTask, reviewScreen } from "./support/review-task.js";

/** Steps after a request for changes, with a scripted agent that reads and answers it. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let project: Project;
let task: Task;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_LOG_LEVEL: "error" }, "real");
  const made = await makeReviewTask(app);
  ({ owner, project, task } = made);
  const params = { task_id: task.id };
  await vi.waitFor(
    async () => expect((await owner.api.tasks.get({ params })).data.status).toBe("in_review"),
    { timeout: 120_000, interval: 100 },
  );
  const { data: changes } = await owner.api.reviews.changes({ params, query: {} });
  await made.reviewer.api.reviews.publish({
    params,
    body: {
      verdict: "request_changes",
      body: "Almost there.",
      commit_sha: changes.commit_sha,
      comments: [
        { path: "src/old.ts", side: "old", line: 1, body: "Why is it gone?" },
        { path: "src/total.ts", start_line: 41, line: 42, body: "Name it like the others." },
        {
          path: "src/total.ts",
          line: 81,
          body: "Like this:",
          suggestion: "export const added = 2;",
        },
      ],
    },
  });
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

test("the agent's replies appear at their lines, and its changes since the review", async () => {
  await page.goto(`${app.url}/tasks/${task.id}?part=changes`);
  await page.getByText("Renamed as you asked").waitFor();
  await page.getByText("In review").first().waitFor();
  await page.getByText("Resolved without a change").first().waitFor();
  await reviewScreen(page, "review-replies");
  await page.getByText("Since my last review").click();
  await section("src/total.ts").getByText("roundedCents").first().waitFor();
  await expect.poll(() => section("src/old.ts").count()).toBe(0);
  await reviewScreen(page, "review-since");
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
  await reviewScreen(page, "review-full");
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
  await reviewScreen(own, "review-merge-request");
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
