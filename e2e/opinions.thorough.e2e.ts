/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import {
  addModelKey,
  answering,
  installReviewers,
  type Reviewers,
} from "#test/support/fixtures/reviewers.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Second opinions on the pages: asked for, failed, retried, required by a branch, and dismissed. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let reviewers: Reviewers;
let project: Project;
let task: Task;
let messages: string[];

beforeAll(async () => {
  reviewers = await installReviewers();
  app = await startTestApp(
    { OMOI_LOG_LEVEL: "error", OMOI_SANDBOX_READONLY: reviewers.folder },
    "real",
  );
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  await addModelKey(owner, org.id);
  project = await makeProjectWith(owner, org.id, {
    "src/total.ts": "export const cents = Math.round(amount * 100);\n",
    "src/old.ts": "export const gone = 1;\n",
  });
  const { data } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body: "write src/total.ts rounded", preset: "custom", command: acpAgent() },
  });
  task = data;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser?.close();
  await app?.close();
  await reviewers.remove();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const opinions = () => page.getByRole("region", { name: "Second opinions" });
const row = () => opinions().getByRole("article", { name: "Second opinion of Claude Code" });
/** Takes screenshots on a wide screen and on a phone, and looks for what is inaccessible. */
const screen = async (name: string): Promise<void> => {
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await screenshot(page, `${name}-${width}`);
    await expectFits(page, `${name}, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
};

test("asks for an opinion that fails, and tries it again", async () => {
  await reviewers.script("process.exit(3);");
  await page.goto(`${app.url}/tasks/${task.id}?part=changes`);
  await page.getByText("In review").first().waitFor();
  await opinions().getByText("No second opinion").waitFor();
  const dialog = page.getByRole("dialog", { name: "Ask for a second opinion" });
  const ask = async (): Promise<void> => {
    await button("Ask for a second opinion").click();
    await dialog.getByLabel("What to look at").fill("Rounding");
  };
  await ask();
  expect(await dialog.getByLabel("Program").inputValue()).toBe("claude-code");
  await expectAccessible(page, "the dialog of an opinion");
  // Another layout closes the dialog.
  await screen("opinion-ask");
  await ask();
  await dialog.getByRole("button", { name: "Ask", exact: true }).click();
  await row().getByText("Failed", { exact: true }).waitFor({ timeout: 60_000 });
  await row().getByText("Its command exited with code 3.").waitFor();
  await row().getByText("Asked to look at: Rounding").waitFor();
  await screen("opinion-failed");
  await reviewers.script(
    answering({
      verdict: "request_changes",
      body: "The rounding is wrong.",
      comments: [{ path: "src/total.ts", line: 1, body: "Half cents are lost." }],
    }),
  );
  await button("Retry the second opinion of Claude Code").click();
  await row().getByText("Requests changes, 1 open thread").waitFor({ timeout: 60_000 });
  await row().getByText("The rounding is wrong.").waitFor();
  const thread = page.getByRole("article", { name: /^Thread on src\/total.ts/ });
  await thread.getByText("Half cents are lost.").waitFor();
  await thread.getByText("Claude Code").waitFor();
  await thread.getByText("Agent", { exact: true }).waitFor();
  await screen("opinion-done");
  await expectAccessible(page, "an opinion");
});

test("protects a branch by an opinion", async () => {
  await page.goto(`${app.url}/projects/${project.id}/settings`);
  await button("Add second opinion to main").click();
  await page.getByLabel("What to look at 1.1").fill("Rounding");
  await look(page, "opinion-required", "Protected branches");
  await page
    .getByRole("form", { name: "Protected branches" })
    .getByRole("button", { name: "Save Changes" })
    .click();
  await page.getByText("Protected branches saved").first().waitFor();
  const { data } = await owner.api.projects.get({ params: { project_id: project.id } });
  expect(data.protected_branches).toMatchObject([
    { pattern: "main", reviews: [{ preset: "claude-code", prompt: "Rounding" }] },
  ]);
});

test("a merge says what it waits for, and lands once a person has dismissed the opinion", async () => {
  await page.goto(`${app.url}/tasks/${task.id}?part=changes`);
  await row().waitFor();
  await button("Approve and merge").click();
  await page
    .getByText("Claude Code requests changes; resolve its thread")
    .first()
    .waitFor({ timeout: 60_000 });
  await row().getByText("Required").waitFor();
  await screen("opinion-blocks");
  await button("Dismiss the second opinion of Claude Code").click();
  const dialog = page.getByRole("dialog", { name: "Dismiss the opinion of Claude Code?" });
  await dialog.getByLabel("Reason").fill("It is meant to be so.");
  await screenshot(page, "opinion-dismiss");
  await dialog.getByRole("button", { name: "Dismiss opinion" }).click();
  await page.getByText("Merged into main").first().waitFor({ timeout: 60_000 });
  expect(messages).toEqual([]);
});
