// Thorough: addresses and checks.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeTaskProject, type TaskProject } from "#test/support/fixtures/tasks.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, look, screenshot, signedInPage } from "./support/browser.js";

/** Automations that are called at an address, or run a check. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let world: TaskProject;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  world = await makeTaskProject(owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
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

test("an address is shown once", async () => {
  await page.goto(`${app.url}/projects/${world.project.id}/automations`);
  await page.getByRole("link", { name: "New automation" }).click();
  const form = page.getByRole("form", { name: "Automation" });
  await form.getByRole("textbox", { name: "Name" }).fill("Deploy failed");
  await form.getByRole("combobox", { name: "Trigger" }).selectOption("webhook");
  await form.getByRole("checkbox", { name: /must be signed/ }).check();
  await form
    .getByRole("textbox", { name: "Title of the task" })
    .fill("Mend {{event.payload.service}}");
  await form.getByRole("textbox", { name: "Prompt" }).fill("Look at {{event.payload.log}}");
  await form.getByRole("button", { name: "Create automation" }).click();
  expect(await page.getByTestId("address").textContent()).toContain("/hooks/automations/");
  expect(await page.getByTestId("secret").textContent()).toMatch(/^whsec_/);
  await screen("automation-address");
  await page.reload();
  await page.getByText("A signed request to its address").waitFor();
  expect(await page.getByTestId("address").count()).toBe(0);
});

test("a check runs by an automation, and its result links to its log", async () => {
  await owner.api.mergeQueue.setCheck({
    params: { project_id: world.project.id, name: "test" },
    body: { command: ["/bin/echo", "all is well"] },
  });
  await page.goto(`${app.url}/projects/${world.project.id}/automations`);
  await page.getByRole("link", { name: "New automation" }).click();
  const form = page.getByRole("form", { name: "Automation" });
  await form.getByRole("textbox", { name: "Name" }).fill("Test at night");
  await form.getByRole("radio", { name: "Run a check" }).check();
  await form.getByRole("combobox", { name: "Check", exact: true }).selectOption("test");
  await screen("automation-check-new");
  await form.getByRole("button", { name: "Create automation" }).click();
  await page.getByText("Run the check “test”").waitFor();
  await button("Test").click();
  await page.getByText("test, on main at its newest commit").waitFor();
  await button("Run now").click();
  await expect.poll(() => firings().nth(1).textContent(), { timeout: 60_000 }).toContain("Passed");
  await screen("automation-check");
  await page.getByRole("link", { name: "test", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: /^Check / }).waitFor();
  await page.getByText("all is well").waitFor();
  await expectAccessibleInBothSchemes(page);
});
