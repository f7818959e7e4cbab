/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { expectFits } from "./support/accessible.js";
import { launchBrowser, look, newPage, screenshot, signedInPage } from "./support/browser.js";

const message =
  "Moving to a new disk, back at 18:00 UTC. Ask in #operators if something cannot wait until then.";

let app: TestApp;
let browser: Browser;
let root: TestPerson;
let ann: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  root = await app.person("root");
  ann = await app.person("ann");
  await makeOrganization(ann);
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

async function lookWell(page: Page, name: string): Promise<void> {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectFits(page, name);
  await screenshot(page, `${name}-390-light`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

test("a super admin begins and ends maintenance, and each page shows its message", async () => {
  const page = await signedInPage(browser, app, root);
  const other = await signedInPage(browser, app, ann);
  await other.goto(`${app.url}/organizations/new`);
  await other.getByRole("heading", { name: "New Organization" }).waitFor();

  await page.goto(`${app.url}/admin?tab=maintenance`);
  await page.getByText("Not in maintenance").waitFor();
  await lookWell(page, "maintenance-off");
  await page.getByLabel("Message").fill(message);
  await page.getByRole("button", { name: "Start maintenance" }).click();
  await page.getByText("In maintenance since").waitFor();
  await page.getByRole("status").getByText(message).waitFor();
  await lookWell(page, "maintenance-on");

  // A page that was open shows it once something is refused, and the form keeps what was entered.
  await other.getByLabel("Name").fill("Acme");
  await other.getByRole("button", { name: "Create organization" }).click();
  await other.getByRole("alert").getByText(message).waitFor();
  await other.getByRole("status").getByText(message).waitFor();
  expect(await other.getByLabel("Name").inputValue()).toBe("Acme");
  await lookWell(other, "maintenance-form");

  const visitor = await newPage(browser);
  await visitor.goto(`${app.url}/login`);
  await visitor.getByRole("status").getByText(message).waitFor();
  await lookWell(visitor, "maintenance-login");

  await page.getByLabel("Message").fill("Until 19:00.");
  await page.getByRole("button", { name: "Save message" }).click();
  await page.getByRole("status").getByText("Until 19:00.").waitFor();
  await page.getByRole("button", { name: "End maintenance" }).click();
  await page.getByText("Not in maintenance").waitFor();
  await page.getByRole("status").getByText("Until 19:00.").waitFor({ state: "detached" });
  await other.reload();
  await other.getByLabel("Name").fill("Acme");
  await other.getByRole("button", { name: "Create organization" }).click();
  await other.waitForURL(/\/organizations\/[\da-f-]{36}/);
});
