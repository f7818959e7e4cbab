import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { insertCluster, seeRunner } from "#test/support/runners/runners.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Workspaces whose runs are Jobs in a Kubernetes cluster. */
let app: TestApp;
let browser: Browser;
let page: Page;
let root: TestPerson;
let project: Project;
let agent: Agent;
let cluster: string;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp();
  root = await app.person("root");
  project = await makeProject(root, (await makeOrganization(root)).id);
  agent = await makeAgent(root, project.id);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, root);
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

/** Checks a page, and takes pictures of a part of it. */
async function lookAt(part: Locator, name: string): Promise<void> {
  await expectAccessibleInBothSchemes(page);
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await expectFits(page, name);
    await part.getByRole("heading").first().scrollIntoViewIfNeeded();
    await part.getByRole("button").last().scrollIntoViewIfNeeded();
    await screenshot(page, `${name}-${width}-light`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
}

const button = (name: string) => page.getByRole("button", { name, exact: true });
const card = (name: string) =>
  page.locator("section").filter({ has: page.getByRole("heading", { name, exact: true }) });

test("without a cluster, the type is not offered and the project has no card of it", async () => {
  await page.goto(`${app.url}/agents/${agent.id}/workspace`);
  await button("Create workspace").first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Not here: No server of this installation uses").waitFor();
  expect(await dialog.getByRole("radio", { name: "Kubernetes" }).isDisabled()).toBe(true);
  await lookWell("kubernetes-unavailable");
  await page.goto(`${app.url}/projects/${project.id}/settings`);
  await card("Danger zone").waitFor();
  await page.waitForLoadState("networkidle");
  expect(await card("Containers in Kubernetes").count()).toBe(0);
});

test("a workspace is created in the cluster, and a run waits for it", async () => {
  // Heard of until the end of the tests, however long they take.
  cluster = await insertCluster(app, -3600);
  await page.goto(`${app.url}/agents/${agent.id}/workspace`);
  await button("Create workspace").first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("each run is a Job in the cluster").waitFor();
  await dialog.getByRole("radio", { name: "Kubernetes" }).check();
  await lookWell("kubernetes-create");
  await dialog.getByRole("button", { name: "Create workspace" }).click();
  await page.getByText("None here: the agent's runs are Jobs").waitFor();
  // The browser logs the 404 of the workspace that did not exist.
  expect(messages.splice(0).every((message) => message.includes("404"))).toBe(true);
  await page.getByText("Commits that its runs make in the cluster").waitFor();
  expect(await button("Checkpoint").getAttribute("title")).toContain("its runs in the cluster");
  await lookWell("kubernetes-workspace");

  await button("Start agent").click();
  await dialog.getByText("It runs in the Kubernetes cluster").waitFor();
  expect(await dialog.getByLabel("Runner labels").count()).toBe(0);
  // The cluster has no proxy, so that a program starts with the whole network.
  expect(await dialog.getByRole("radio", { name: "Restricted" }).isDisabled()).toBe(true);
  expect(await dialog.getByRole("radio", { name: "Full" }).isChecked()).toBe(true);
  await dialog.getByLabel("Program").selectOption({ label: "Custom command" });
  await dialog.getByRole("textbox", { name: "Command" }).fill("make test");
  await lookWell("kubernetes-start");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("Waiting for the cluster.").waitFor();
  expect(await page.getByText("Runner labels").count()).toBe(0);
  await lookWell("kubernetes-run-waits");
  const { data: runs } = await root.api.runs.list({
    params: { agent_id: agent.id },
    query: {},
  });
  expect(runs).toMatchObject([{ status: "queued", command: ["make", "test"] }]);
  await root.api.runs.stop({ params: { run_id: runs[0]?.id ?? "" } });
});

test("sessions, the home and the server's sandbox are for workspaces with a folder", async () => {
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByTitle("The workspace is in the cluster: this server").first().waitFor();
  await page.goto(`${app.url}/agents/${agent.id}/settings`);
  await card("Model budgets").waitFor();
  expect(await card("Sandbox and limits").count()).toBe(0);
  expect(await card("Home").count()).toBe(0);
});

test("the containers of a project are edited and checked", async () => {
  const saved = async () =>
    (await root.api.projects.get({ params: { project_id: project.id } })).data.kubernetes;
  await page.goto(`${app.url}/projects/${project.id}/settings`);
  const containers = card("Containers in Kubernetes");
  await containers.scrollIntoViewIfNeeded();
  await containers.getByLabel("Image").fill("Node 24");
  await containers.getByLabel("Processors").fill("100");
  await containers.getByLabel("Memory in MiB").fill("much");
  await containers.getByLabel("Disk space in MiB").fill("1");
  await containers.getByRole("button", { name: "Save containers" }).click();
  await containers.getByText("Must be the name of an image").waitFor();
  await containers.getByText("Must be at most 64").waitFor();
  await containers.getByText("Must be at least 256 MiB").waitFor();
  await lookAt(containers, "kubernetes-containers-errors");
  expect((await saved()).image).toBeNull();
  await containers.getByLabel("Image").fill("registry.example.com/tools/node:24");
  await containers.getByLabel("Processors").fill("1.5");
  await containers.getByLabel("Memory in MiB").fill("2048");
  await containers.getByLabel("Disk space in MiB").fill("");
  await containers.getByRole("button", { name: "Save containers" }).click();
  await page.getByText("Containers saved").first().waitFor();
  expect(await saved()).toEqual({
    image: "registry.example.com/tools/node:24",
    cpus: 1.5,
    memory_mib: 2048,
    disk_mib: null,
  });
  await page.reload();
  await containers.scrollIntoViewIfNeeded();
  expect(await containers.getByLabel("Memory in MiB").inputValue()).toBe("2048");
  await lookAt(containers, "kubernetes-containers");
});

test("a super admin pauses and resumes the cluster, and removes it when it is offline", async () => {
  await page.goto(`${app.url}/admin?tab=runners`);
  await page.getByText("Kubernetes cluster", { exact: true }).waitFor();
  expect(await button("Remove kubernetes").getAttribute("aria-disabled")).toBe("true");
  expect(await button("Remove kubernetes").getAttribute("title")).toContain("uses the cluster");
  await button("Pause kubernetes").click();
  await page.getByRole("dialog").getByRole("button", { name: "Pause cluster" }).click();
  await button("Resume kubernetes").waitFor();
  await lookWell("kubernetes-admin");
  await page.goto(`${app.url}/agents/${agent.id}/runs`);
  await button("Start agent").click();
  await page.getByRole("dialog").getByText("The cluster is paused").waitFor();
  await lookWell("kubernetes-start-paused");

  await seeRunner(app, cluster, 61);
  await page.goto(`${app.url}/admin?tab=runners`);
  await button("Resume kubernetes").click();
  await button("Pause kubernetes").waitFor();
  await button("Remove kubernetes").click();
  await page
    .getByRole("dialog")
    .getByText("It returns when a server uses the cluster again.")
    .waitFor();
  await lookWell("kubernetes-admin-remove");
  await page.getByRole("dialog").getByRole("button", { name: "Remove cluster" }).click();
  await page.getByText("No runners yet.").waitFor();

  await page.goto(`${app.url}/agents/${agent.id}/runs`);
  await expect
    .poll(() => button("Start agent").getAttribute("title"))
    .toContain("The workspace is in the cluster. No server of this installation uses");
  expect(messages).toEqual([]);
});
