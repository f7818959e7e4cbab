/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, lookWell, signedInPage, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let root: TestPerson;
let ann: TestPerson;
let page: Page;
let consoleMessages: string[];
beforeAll(async () => {
  app = await startTestApp(await clusterEnv("node-1"));
  root = await app.person("root");
  ann = await app.person("ann");
  await makeOrganization(root);
  await makeOrganization(ann);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, root);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const heading = (name: string) => page.getByRole("heading", { name, exact: true });

test("a super admin finds a user and restores their access", async () => {
  await page.goto(app.url);
  await page.getByRole("link", { name: "Installation", exact: true }).click();
  await heading("Installation").waitFor();
  await page.getByRole("table", { name: "users" }).waitFor();
  await lookWell(page, "admin-users");
  await page.getByLabel("Search users").fill("ANN");
  await expect.poll(() => page.getByRole("row").count()).toBe(2);
  await page.getByRole("link", { name: "ann", exact: true }).click();
  await heading("ann").waitFor();
  await lookWell(page, "admin-user");

  await button("Create reset link").click();
  const link = page.getByRole("dialog").getByText("/reset-password?token=");
  await link.waitFor();
  await lookWell(page, "admin-reset-link");
  expect(await link.textContent()).toContain(app.url);
  await button("Done").click();

  await button("Disable user").click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable user" }).click();
  await button("Enable user").waitFor();
  await expect.poll(() => ann.api.auth.me().catch(({ status }) => status)).toBe(401);
  await button("Enable user").click();
  await button("Disable user").waitFor();
  await page.getByText("The user is the last owner of").first().waitFor();
});

test("the installation's usage and audit log are shown", async () => {
  await page.goto(`${app.url}/admin?tab=usage`);
  await page.getByRole("table", { name: "organizations" }).waitFor();
  await lookWell(page, "admin-usage");
  await page.getByRole("tab", { name: "Audit" }).click();
  await page.getByText("disabled a user").waitFor();
  await lookWell(page, "admin-audit");
  expect(consoleMessages).toEqual([]);
});

test("the servers and runners of the installation are shown", async () => {
  await page.goto(`${app.url}/admin?tab=servers`);
  await page.getByRole("table", { name: "servers" }).getByText("node-1").first().waitFor();
  await expectFits(page);
  await expectAccessible(page);
  await page.getByRole("tab", { name: "Runners" }).click();
  await page.getByText("No runners yet.").waitFor();
  await button("Register runner").click();
  await page.getByRole("dialog").getByLabel("Name").fill("gpu-1");
  await page.getByRole("dialog").getByRole("button", { name: "Register runner" }).click();
  await page.getByTestId("secret").waitFor();
  await button("Done").click();
  await button("Remove gpu-1").waitFor();
  await expectFits(page);
  await expectAccessible(page);
  expect(consoleMessages).toEqual([]);
});

test("other users see neither the link nor the page", async () => {
  const theirs = await signedInPage(browser, app, await app.person("bob"));
  await theirs.goto(`${app.url}/admin`);
  await theirs.getByText("was not found").waitFor();
  const link = (name: string) => theirs.getByRole("link", { name, exact: true });
  await link("Projects").first().waitFor();
  expect(await link("Installation").count()).toBe(0);
});
