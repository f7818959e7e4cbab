import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeLinkedProject, type LinkedProject } from "#test/support/forges/linked-project.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** A task from the text of a stranger on a forge: it waits for a person, who reads it and releases it. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let world: LinkedProject;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true" }, "real");
  owner = await app.person("Ada");
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
  await world.double.close();
});

const screen = async (name: string): Promise<void> => {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, `${name}-390`);
  await page.setViewportSize({ width: 1440, height: 900 });
};

test("a task from outside waits on Home, and starts once it is released on its page", async () => {
  world = await makeLinkedProject(owner, "gitea", "webhook");
  const { shop, automate, orgId } = world;
  await automate("issue.labeled", { create: "say {{event.issue.body}}" });
  const issue = shop.openIssue("Round half cents", "Please round half cents.", "stranger");
  shop.changeIssue(issue, { label: "omoi" });
  await expect
    .poll(async () => (await world.tasks())[0]?.attention?.kind, { timeout: 30_000 })
    .toBe("release");
  await page.goto(`${app.url}/?org=${orgId}`);
  await page.getByText("Waits to be released").first().waitFor();
  await screen("held-task-home");
  await page.getByRole("link", { name: /^Read / }).click();
  await page.getByRole("heading", { name: "Waiting to be released" }).waitFor();
  await page.getByText("Text from outside").waitFor();
  await page.getByText("Please round half cents.").waitFor();
  await screen("held-task");
  await page.getByRole("button", { name: "Release task" }).click();
  await page
    .getByRole("heading", { name: "Waiting to be released" })
    .waitFor({ state: "detached" });
  await expect
    .poll(async () => (await world.tasks())[0]?.attempts.length, { timeout: 30_000 })
    .toBe(1);
  expect(messages).toEqual([]);
});

test("the settings of a project let such tasks start at once", async () => {
  const params = { project_id: world.project.id };
  await page.goto(`${app.url}/projects/${world.project.id}/settings`);
  const box = page.getByRole("checkbox", { name: /Hold tasks from outside/ });
  await box.click();
  await page.getByText("Tasks from outside start at once").first().waitFor();
  await screen("held-task-settings");
  const { data: project } = await owner.api.projects.get({ params });
  expect(project.hold_untrusted_tasks).toBe(false);
  expect(await box.isChecked()).toBe(false);
  expect(messages).toEqual([]);
});
