/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner } from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectFits } from "./support/accessible.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Runs of a remote workspace, which a runner executes. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let agent: Agent;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  agent = (await makeRemote(owner, project.id)).agent;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

/** Like `look`, and on a phone of common width. */
async function lookWell(name: string): Promise<void> {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectFits(page, name);
  await screenshot(page, `${name}-390-light`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

const button = (name: string) => page.getByRole("button", { name, exact: true });

test("without a runner, the page says why no run of a remote workspace can start", async () => {
  await page.goto(`${app.url}/agents/${agent.id}/runs`);
  await expect
    .poll(() => button("Start agent").getAttribute("title"))
    .toContain("no runner takes its runs");
});

test("a run is started with labels, waits for a runner and runs there", async () => {
  const runner = await registerRunner(app, { name: "gpu-1" });
  const labels = ["gpu", "linux"];
  await runner.ask({ labels });
  await page.goto(`${app.url}/agents/${agent.id}/runs`);
  await button("Start agent").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("It runs on a runner").waitFor();
  await dialog.getByLabel("Program").selectOption({ label: "Custom command" });
  await dialog.getByRole("textbox", { name: "Command" }).fill("make test");
  const field = dialog.getByLabel("Runner labels");
  await field.fill("tpu");
  await dialog.getByText("No runner with these labels is online now.").waitFor();
  await field.fill("linux, GPU");
  await dialog.getByText("No runner with these labels").waitFor({ state: "detached" });
  await lookWell("runner-labels");
  await field.fill("-wrong-");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await dialog.getByText("use lower-case letters").waitFor();
  await field.fill("linux, GPU");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();

  await page.getByText("Waiting for a runner with the labels gpu, linux.").waitFor();
  await lookWell("run-waits-for-runner");
  const job = await runner.take({ labels });
  await page.getByText("gpu-1", { exact: true }).waitFor();
  // The pictures take longer than a lease.
  const beat = setInterval(() => void runner.heartbeat(job.run_id), 10_000);
  await lookWell("run-on-runner").finally(() => clearInterval(beat));
  expect((await runner.end(job.run_id)).status).toBe(204);
  await button("Run again").waitFor();

  await button("Run again").click();
  await page.getByText("Waiting for a runner with the labels gpu, linux.").waitFor();
  const again = await runner.take({ labels });
  expect(again.run_id).not.toBe(job.run_id);
  await owner.api.runners.delete({ params: { runner_id: runner.id } });
  await page.getByText("Its runner gpu-1 was removed.").waitFor();
  await page.getByText("Removed since", { exact: true }).waitFor();
  expect(messages).toEqual([]);
});

test("a session needs a folder on the server", async () => {
  await registerRunner(app, { name: "gpu-2" });
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByTitle("The workspace is remote: this server has no folder").first().waitFor();
  expect(await button("Start agent").getAttribute("aria-disabled")).toBeNull();
});
