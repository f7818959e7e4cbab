/// <reference lib="dom" />
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { makeRunner, reportRunner } from "#test/support/runners/runners.js";
import { expectFits } from "./support/accessible.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

let app: TestApp;
let second: TestApp;
let folder: string;
let browser: Browser;
let root: TestPerson;
let ann: TestPerson;
let page: Page;
let consoleMessages: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-servers-"));
  app = await startTestApp(await clusterEnv("node-1"));
  second = await app.sibling({ ...(await clusterEnv("node-2")), OMOI_DATA_DIR: folder });
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
  await second.close();
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const heading = (name: string) => page.getByRole("heading", { name, exact: true });

/** Like `look`, and on a phone of common width. */
async function lookWell(name: string): Promise<void> {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectFits(page, name);
  await screenshot(page, `${name}-390-light`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

test("a super admin finds a user and restores their access", async () => {
  await page.goto(app.url);
  await page.getByRole("link", { name: "Installation", exact: true }).click();
  await heading("Installation").waitFor();
  await page.getByRole("table", { name: "users" }).waitFor();
  await lookWell("admin-users");
  await page.getByLabel("Search users").fill("ANN");
  await expect.poll(() => page.getByRole("row").count()).toBe(2);
  await page.getByRole("link", { name: "ann", exact: true }).click();
  await heading("ann").waitFor();
  await lookWell("admin-user");

  await button("Create reset link").click();
  const link = page.getByRole("dialog").getByText("/reset-password?token=");
  await link.waitFor();
  await lookWell("admin-reset-link");
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
  await lookWell("admin-usage");
  await page.getByRole("tab", { name: "Audit" }).click();
  await page.getByText("disabled a user").waitFor();
  await lookWell("admin-audit");
  expect(consoleMessages).toEqual([]);
});

test("a super admin drains and resumes a server", async () => {
  await page.goto(`${app.url}/admin?tab=servers`);
  await page.getByRole("table", { name: "servers" }).waitFor();
  await expect.poll(() => page.getByRole("row").count()).toBe(3);
  await lookWell("admin-servers");
  await button("Drain node-2").click();
  await page.getByRole("dialog").getByRole("button", { name: "Drain server" }).click();
  await page.getByText("Draining", { exact: true }).waitFor();
  await button("Drain node-1").click();
  await page.getByRole("dialog").getByRole("button", { name: "Drain server" }).click();
  await page.getByText("node-1 is the only server that takes new projects").waitFor();
  await page.keyboard.press("Escape");
  await button("Resume node-2").click();
  await button("Drain node-2").waitFor();
  await page.getByRole("tab", { name: "Audit" }).click();
  await page.getByText("stopped giving new projects to a server").waitFor();
});

test("a super admin registers, pauses, resumes and removes a runner", async () => {
  const dialog = page.getByRole("dialog");
  await page.goto(`${app.url}/admin?tab=runners`);
  await page.getByText("No runners yet.").waitFor();
  await lookWell("admin-runners-empty");
  await button("Register runner").click();
  await dialog.getByLabel("Name").fill("gpu-1");
  await dialog.getByLabel("Takes runs of").selectOption({ index: 1 });
  await lookWell("admin-runner-register");
  await dialog.getByRole("button", { name: "Register runner" }).click();
  const command = page.getByTestId("secret");
  await command.waitFor();
  await lookWell("admin-runner-token");
  expect(await command.textContent()).toMatch(
    new RegExp(
      `^OMOI_RUNNER_TOKEN=omoi_runner_\\w{36} omoi runner --url ${app.url} --labels linux$`,
    ),
  );
  await button("Done").click();

  await button("Register runner").click();
  await dialog.getByLabel("Name").fill("GPU-1");
  await dialog.getByRole("button", { name: "Register runner" }).click();
  await dialog.getByText("is taken in this installation").waitFor();
  await page.keyboard.press("Escape");

  const second = await makeRunner(root, "linux-2");
  await reportRunner(app, second.id);
  await page.reload();
  await page.getByText("Online", { exact: true }).waitFor();
  await page.getByText("0 of 4", { exact: true }).waitFor();
  await button("Pause linux-2").click();
  await dialog.getByRole("button", { name: "Pause runner" }).click();
  await page.getByText("Paused", { exact: true }).waitFor();
  await lookWell("admin-runners");
  await button("Resume linux-2").click();
  await button("Pause linux-2").waitFor();
  await button("Remove gpu-1").click();
  await lookWell("admin-runner-remove");
  await dialog.getByRole("button", { name: "Remove runner" }).click();
  await dialog.waitFor({ state: "detached" });
  await button("Remove gpu-1").waitFor({ state: "detached" });
  const { data } = await root.api.runners.list({ query: {} });
  expect(data.map(({ name, paused }) => [name, paused])).toEqual([["linux-2", false]]);
  await page.getByRole("tab", { name: "Audit" }).click();
  await page.getByText("removed a runner").waitFor();
});

test("other users see neither the link nor the page", async () => {
  const theirs = await signedInPage(browser, app, await app.person("bob"));
  await theirs.goto(`${app.url}/admin`);
  await theirs.getByText("was not found").waitFor();
  const link = (name: string) => theirs.getByRole("link", { name, exact: true });
  await link("Projects").first().waitFor();
  expect(await link("Installation").count()).toBe(0);
});
