// Thorough: looks at each step, a change by hand, a viewer, two agents in conflict, and the end of the guide.
/// <reference lib="dom" />
import { execFileSync } from "node:child_process";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, look, newPage, signedInPage, watchConsole } from "./support/browser.js";
import { account, walkFirstUse } from "./support/first-use.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let consoleMessages: string[];

beforeAll(async () => {
  app = await startTestApp({}, "real");
  browser = await launchBrowser();
  page = await newPage(browser);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const current = () => page.locator("[aria-current=step]");

let signedIn: Client | undefined;

/** The client of the first account. */
async function admin(): Promise<Client> {
  signedIn ??= app.client((await app.client().auth.login({ body: account })).data.access_token);
  return signedIn;
}

/** Returns the ids of the project and its organization, and the agents so far. */
async function madeSoFar() {
  const api = await admin();
  const [project] = (await api.projects.list({ query: {} })).data;
  if (project === undefined) throw new Error("there is no project yet");
  const { id: projectId, organization_id: orgId } = project;
  const agents = (await api.agents.list({ query: { project_id: projectId } })).data;
  return { orgId, projectId, agents };
}

test("the first page leads to a merged change, one button after the other", async () => {
  await walkFirstUse(page, app.url, (name) => look(page, name));
});

test("a change made by hand is committed and merged", async () => {
  const owner = await app.person("Grace");
  const { id } = await makeProject(owner, (await makeOrganization(owner)).id);
  await makeWorkspace(owner, id);
  const other = await signedInPage(browser, app, owner);
  await other.goto(`${app.url}/welcome`);
  const command = await other.getByText(/^echo /).innerText();
  execFileSync("sh", ["-c", command]);
  await other.getByRole("button", { name: "Commit", exact: true }).click();
  await other.getByRole("heading", { name: "Make a first commit (done)" }).waitFor();
  await other.getByRole("button", { name: "Merge into main" }).click();
  await other.getByRole("heading", { name: "Merge it (done)" }).waitFor();
  await other.context().close();
});

test("a viewer sees why a step is not theirs", async () => {
  const { orgId } = await madeSoFar();
  const viewer = await app.person("Vera");
  const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
  await (await admin()).members.add({ params: { org_id: orgId }, body });
  const guest = await signedInPage(browser, app, viewer);
  await guest.goto(`${app.url}/welcome`);
  const make = guest.getByRole("button", { name: "Make two agents conflict" });
  await make.waitFor();
  await guest.getByTitle("Your role (viewer) may not").waitFor();
  expect(await make.getAttribute("aria-disabled")).toBe("true");
  await guest.context().close();
});

test("two agents conflict, after an interruption, and the conflict is decided", async () => {
  const { agents, projectId } = await madeSoFar();
  // One agent exists half-way, and its usual name belongs to another one.
  await (await admin()).agents.create({ body: { project_id: projectId, name: "demo-right" } });
  await page.route("**/api/v1/agents", async (route) => {
    const isRight = route.request().postData()?.includes("demo-right") === true;
    return isRight ? route.abort() : route.fallback();
  });
  await button("Make two agents conflict").click();
  await current().getByText("The server does not answer").waitFor();
  await page.unroute("**/api/v1/agents");
  consoleMessages.length = 0;
  await page.reload();
  await button("Go on with the two agents").click();
  await page.waitForURL(/\/conflicts$/);
  const predicted = page
    .locator("section")
    .filter({ has: page.getByRole("heading", { name: "Predicted conflicts", exact: true }) });
  await predicted.getByText("1 conflict").waitFor();
  await predicted.getByText("hello.md").waitFor();
  await predicted.getByText("To resolve a conflict of two agents").waitFor();
  await look(page, "first-use-predicted");
  const made = (await madeSoFar()).agents.slice(agents.length);
  expect(made.map(({ name }) => name)).toEqual(["demo-right", "demo-left", "demo-right-2"]);

  await predicted.getByRole("link", { name: "Merge demo-left first" }).click();
  await button("Merge").click();
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Merge [0-9a-f]{12}$/)
    .waitFor();
  await page.getByRole("link", { name: "Getting started" }).click();
  await page.getByRole("link", { name: "Open the conflict" }).click();
  await predicted.getByRole("link", { name: "Preview merge" }).click();
  await page.getByText("1 conflict would be resolved as shown below").waitFor();
  await look(page, "first-use-resolve");
  await button("Merge").click();
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Merge [0-9a-f]{12}$/)
    .waitFor();
  await page.getByRole("link", { name: "Getting started" }).click();
});

test("the guide ends with a key; steps can be skipped", async () => {
  await current().getByRole("heading", { name: "Generate an API key" }).waitFor();
  await button("Skip: Generate an API key").click();
  await page.getByRole("heading", { name: "Next steps" }).waitFor();
  await page.reload();
  await page.getByText("· skipped").waitFor();
  await button("Open: Generate an API key").click();
  await button("Generate Key").click();
  const key = await page.getByText(/^sk_live_[0-9A-Za-z]{36}$/).innerText();
  await expectAccessible(page, "the key");
  const answer = await fetch(`${app.url}/api/v1/projects`, {
    headers: { authorization: `Bearer ${key}` },
  });
  expect(await answer.json()).toMatchObject([{ name: "First project" }]);
  // Nothing has been copied yet.
  await button("Done").click();
  await page.getByRole("dialog", { name: "Leave without copying the key?" }).waitFor();
  await button("Stay on this page").click();
  await button("Copy Key").click();
  await button("Done").click();
  await page.getByText("All done. Your agents can work.").waitFor();
  await expectAccessible(page, "the end");
  expect(await page.content()).not.toContain(key);

  // No secret is stored where scripts can read it.
  const stored = await page.evaluate(
    () =>
      JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]) +
      document.cookie,
  );
  expect(stored).not.toMatch(/sk_live_|ocs_|oat_/);
  expect(consoleMessages).toEqual([]);
});
