import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeTaskProject, type TaskProject } from "#test/support/fixtures/tasks.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** A lead lets a template create tasks, from the first look to its firings. */
let app: TestApp;
let browser: Browser;
let page: Page;
let world: TaskProject;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  const owner = await app.person("Ada");
  world = await makeTaskProject(owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const screen = async (name: string): Promise<void> => {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectFits(page);
  await screenshot(page, `${name}-390`);
  await page.setViewportSize({ width: 1440, height: 900 });
};
const button = (name: string) => page.getByRole("button", { name, exact: true });
const firings = () => page.getByRole("table", { name: "Firings" }).getByRole("row");

test("a template becomes an automation with its next five times", async () => {
  await page.goto(`${app.url}/projects/${world.project.id}`);
  await page
    .getByRole("navigation", { name: "Project" })
    .getByRole("link", { name: "Automations" })
    .click();
  await page.getByText("No automations yet.").waitFor();
  await screen("automations-empty");
  await page.getByRole("link", { name: "Weekly dependency update" }).click();
  const form = page.getByRole("form", { name: "Automation" });
  await form.getByRole("combobox", { name: "Time zone" }).selectOption("Europe/Berlin");
  const times = form.getByRole("list", { name: "Next times" }).getByRole("listitem");
  await expect.poll(() => times.count()).toBe(5);
  await form.getByRole("textbox", { name: "Schedule" }).fill("0 0 30 2 *");
  await form.getByText(/never occurs/).waitFor();
  await form.getByRole("textbox", { name: "Schedule" }).fill("0 7 * * 1");
  await expect.poll(() => times.count()).toBe(5);
  await form.getByRole("combobox", { name: "Program" }).selectOption("custom");
  const command = acpAgent("load").map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`);
  await form.getByRole("textbox", { name: "Command" }).fill(command.join(" "));
  await form.getByRole("textbox", { name: "Prompt" }).fill("say Updated {{project.nam}}?");
  await form.getByRole("button", { name: "Create automation" }).click();
  await form.getByText(/names {{project.nam}}/).waitFor();
  await screen("automation-new");
  await form.getByRole("textbox", { name: "Prompt" }).fill("say Updated {{project.name}}?");
  await form.getByRole("button", { name: "Create automation" }).click();
  await page.getByRole("heading", { level: 1, name: "Weekly dependency update" }).waitFor();
  await page.getByText("Mondays 07:00, Europe/Berlin").waitFor();
  await expectAccessibleInBothSchemes(page);
});

test("a test shows the prompt, as whom and at which cost, and starts nothing", async () => {
  await button("Test").click();
  await page.getByText("It would fire.").waitFor();
  expect(await page.getByTestId("prompt").textContent()).toContain(
    `say Updated ${world.project.name}?`,
  );
  await page.getByText("✓ may create tasks").waitFor();
  await page.getByText("0 of 1 firings, 0 of 1 under way, $0.00 of $5").waitFor();
  await page.getByText("It has not fired yet.").waitFor();
  await screen("automation-test");
});

test("it fires by hand once a day, with the reason of each decision", async () => {
  await button("Run now").click();
  const task = page.getByRole("link", { name: "#1 Update the dependencies" });
  await task.waitFor();
  await button("Run now").click();
  await expect.poll(() => firings().count()).toBe(3);
  await expect.poll(() => firings().nth(1).textContent()).toContain("which is its limit");
  await screen("automation");
  await task.click();
  await page.getByRole("heading", { level: 1, name: /Update the dependencies/ }).waitFor();
  await page.goBack();
});

test("it is paused, and its list says so", async () => {
  await button("Pause").click();
  await button("Resume").waitFor();
  await page.getByRole("link", { name: "Automations", exact: true }).click();
  await page.getByRole("link", { name: "Weekly dependency update" }).first().waitFor();
  await page.getByText("●Paused").waitFor();
  await screen("automations");
  await expectAccessibleInBothSchemes(page);
  // The browser reports the answer about the schedule that never occurs.
  expect(messages.filter((text) => !text.includes("422"))).toEqual([]);
});
