import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** A piece of work from one text field to a merged change, with a scripted agent. */
let app: TestApp;
let browser: Browser;
let page: Page;
let project: Project;
let messages: string[];
/** The address of the first task. */
let address: string;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  const owner = await app.person("Ada");
  project = await makeProject(owner, (await makeOrganization(owner)).id);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const transcript = () => page.getByRole("region", { name: "Transcript" });
const dialog = () => page.getByRole("dialog", { name: "New task" });
const text = () => page.getByRole("textbox", { name: "What should be done?" });
/** A command line that the form reads as the words of the command. */
const line = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
const screen = async (name: string): Promise<void> => {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, `${name}-390`);
  await page.setViewportSize({ width: 1440, height: 900 });
};

test("c opens the box anywhere but in a field; the project of the page is chosen", async () => {
  await page.goto(`${app.url}/projects/${project.id}/tasks`);
  await page.getByText("No unfinished tasks").waitFor();
  await look(page, "tasks-empty");
  await page.keyboard.press("c");
  await text().waitFor();
  await expect
    .poll(() => page.getByRole("combobox", { name: "Project" }).inputValue())
    .toBe(project.id);
  await text().fill("say cccc");
  await page.keyboard.press("c");
  expect(await text().inputValue()).toBe("say ccccc");
  await page.getByRole("combobox", { name: "Program" }).selectOption("claude-code");
  await dialog()
    .getByText("The program claude-agent-acp is not on the PATH of runs.")
    .first()
    .waitFor();
  await dialog().getByRole("button", { name: "Copy install command" }).waitFor();
  await screen("task-new-missing-program");
  await page.keyboard.press("Escape");
  await button("Discard changes").click();
  await dialog().waitFor({ state: "detached" });
});

test("Enter starts the agent, and its first words are on the page of the task", async () => {
  await page.keyboard.press("c");
  await page.getByRole("combobox", { name: "Program" }).selectOption("custom");
  await page.getByRole("textbox", { name: "Command" }).fill(line(acpAgent()));
  await text().fill("say Should refunds round the same way?");
  await dialog().getByText("More options").click();
  await page.getByRole("textbox", { name: /^Labels/ }).fill("invoices, bug");
  await screen("task-new");
  await text().press("Enter");
  await page.waitForURL(/\/tasks\/[\da-f-]{36}$/);
  address = page.url();
  await page.getByRole("heading", { level: 1 }).getByText("say Should refunds").waitFor();
  await transcript().getByText("Should refunds round the same way?").last().waitFor();
  await page.getByText("The agent asks").waitFor();
  await page.getByText("Needs you").first().waitFor();
  await screen("task-question");
});

test("the list has the question; filters are in the address", async () => {
  await page.getByRole("link", { name: "Tasks", exact: true }).first().click();
  const row = page.getByRole("region", { name: "Needs you" }).getByRole("listitem");
  await row.getByText("Should refunds round the same way?").last().waitFor();
  await screen("tasks");
  await row.getByRole("button", { name: "invoices" }).click();
  await page.waitForURL(/label=invoices/);
  await page.getByRole("searchbox", { name: "Search tasks" }).fill("nothing like this");
  await page.getByRole("heading", { name: "No results" }).waitFor();
  await page.waitForURL(/q=nothing/);
  await button("Clear filters").click();
  await page.getByRole("combobox", { name: "Group by" }).selectOption("label");
  await page.waitForURL(/group=label/);
  const group = page.getByRole("region", { name: "bug" });
  await group.getByRole("checkbox", { name: "Select #1" }).check();
  await page.getByRole("textbox", { name: "Label" }).fill("urgent");
  await screen("tasks-selected");
  await button("Add label").click();
  await page.getByRole("region", { name: "urgent" }).waitFor();
  await page.getByRole("region", { name: "Selected tasks" }).waitFor({ state: "detached" });
  await page.getByRole("combobox", { name: "Group by" }).selectOption("status");
  await row.getByRole("link", { name: /Should refunds/ }).click();
  await page.waitForURL(address);
});

test("the answer continues the work, and the change is on the other half", async () => {
  await page.getByRole("textbox", { name: "Answer" }).fill("tool");
  await button("Answer").click();
  await page.getByRole("region", { name: "a.txt" }).waitFor();
  await page.getByText("In review").first().waitFor();
  await button("Approve and merge").waitFor();
  await screen("task-review");
  await page.getByRole("tab", { name: "Commits" }).click();
  await page.waitForURL(/part=commits/);
  await screen("task-commits");
  await page.getByRole("tab", { name: "Runs" }).click();
  await page.getByText("Running").first().waitFor();
  await screen("task-runs");
});

test("the change is approved and merged, and the task is done", async () => {
  await page.goto(address);
  await button("Approve and merge").click();
  await page
    .getByText(/^●?Done$/)
    .first()
    .waitFor();
  await page.getByText("Merged into main").waitFor();
  await screen("task-done");
  expect(messages).toEqual([]);
});
