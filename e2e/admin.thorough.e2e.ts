// Thorough: runners, and two servers of a cluster, in all views.
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
import { launchBrowser, lookWell, signedInPage } from "./support/browser.js";

let app: TestApp;
let second: TestApp;
let folder: string;
let browser: Browser;
let root: TestPerson;
let page: Page;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-servers-"));
  app = await startTestApp(await clusterEnv("node-1"));
  second = await app.sibling({ ...(await clusterEnv("node-2")), OMOI_DATA_DIR: folder });
  root = await app.person("root");
  await makeOrganization(root);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, root);
});
afterAll(async () => {
  await browser.close();
  await second.close();
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

const button = (name: string) => page.getByRole("button", { name, exact: true });

test("a super admin drains and resumes a server", async () => {
  await page.goto(`${app.url}/admin?tab=servers`);
  await page.getByRole("table", { name: "servers" }).waitFor();
  await expect.poll(() => page.getByRole("row").count()).toBe(3);
  await lookWell(page, "admin-servers");
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
  await lookWell(page, "admin-runners-empty");
  await button("Register runner").click();
  await dialog.getByLabel("Name").fill("gpu-1");
  await dialog.getByLabel("Takes runs of").selectOption({ index: 1 });
  await lookWell(page, "admin-runner-register");
  await dialog.getByRole("button", { name: "Register runner" }).click();
  const command = page.getByTestId("secret");
  await command.waitFor();
  await lookWell(page, "admin-runner-token");
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
  await lookWell(page, "admin-runners");
  await button("Resume linux-2").click();
  await button("Pause linux-2").waitFor();
  await button("Remove gpu-1").click();
  await lookWell(page, "admin-runner-remove");
  await dialog.getByRole("button", { name: "Remove runner" }).click();
  await dialog.waitFor({ state: "detached" });
  await button("Remove gpu-1").waitFor({ state: "detached" });
  const { data } = await root.api.runners.list({ query: {} });
  expect(data.map(({ name, paused }) => [name, paused])).toEqual([["linux-2", false]]);
  await page.getByRole("tab", { name: "Audit" }).click();
  await page.getByText("removed a runner").waitFor();
});
