// Thorough: two tabs, lost responses, the API reference and several organizations.
/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { dropFirstAnswers, launchBrowser, signedInPage, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let orgId: string;
let orgName: string;
let consoleMessages: string[];

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  owner = await app.person("Ada");
  const organization = await makeOrganization(owner);
  ({ id: orgId, name: orgName } = organization);
  page = await signedInPage(browser, app, owner);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const field = (name: string) => page.getByLabel(name, { exact: true });
const dialog = () => page.getByRole("dialog");

test("two tabs edit the same resource: the second gets a conflict and keeps its input", async () => {
  const other = await page.context().newPage();
  other.setDefaultTimeout(30_000);
  for (const tab of [page, other]) {
    // Without the event stream a tab detects the change only on save.
    await tab.route("**/events*", (route) => route.abort());
    await tab.goto(`${app.url}/organizations/${orgId}/settings`);
    await tab.getByLabel("Description", { exact: true }).waitFor();
  }
  consoleMessages.length = 0;
  await page.getByLabel("Description", { exact: true }).fill("By the first tab");
  await other.getByLabel("Description", { exact: true }).fill("By the second tab");
  await other.getByLabel("Name", { exact: true }).fill("Renamed");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText("Changes saved").waitFor();

  await other.getByRole("button", { name: "Save Changes" }).click();
  await other.getByText(/Another user saved changes while you edited/).waitFor();
  await other.getByText("By the first tab").waitFor();
  await expectAccessible(other, "an edit that crossed another");
  expect(await other.getByLabel("Description", { exact: true }).inputValue()).toBe(
    "By the second tab",
  );
  expect(await other.getByLabel("Name", { exact: true }).inputValue()).toBe("Renamed");
  await other.getByRole("button", { name: "Use this as Description" }).click();
  await other.getByRole("button", { name: "Save Changes" }).click();
  await other.getByText("Changes saved").waitFor();
  const { data } = await owner.api.organizations.get({ params: { org_id: orgId } });
  expect(data).toMatchObject({ name: "Renamed", description: "By the first tab" });
  await owner.api.organizations.update({ params: { org_id: orgId }, body: { name: orgName } });
  await other.close();
  await page.unroute("**/events*");
  consoleMessages.length = 0;
});

test("a lost response is reported, keeps the input, and the retry creates one resource", async () => {
  await page.goto(`${app.url}/projects?new=true`);
  await field("Name").fill("Survivor");
  // The server processes the request, but its response is lost.
  await page.route("**/api/v1/projects", async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    await route.fetch();
    return route.abort();
  });
  await button("Create project").click();
  await dialog().getByText("The server does not answer.").waitFor();
  await expectAccessible(page, "a form without an answer");
  expect(await field("Name").inputValue()).toBe("Survivor");
  await page.unroute("**/api/v1/projects");
  await button("Create project").dblclick();
  await page.getByRole("heading", { level: 1, name: "Survivor" }).waitFor();
  const { data } = await owner.api.projects.list({ query: { organization_id: orgId } });
  expect(data.filter(({ name }) => name === "Survivor")).toHaveLength(1);

  // A list that cannot be loaded shows an error; a retry loads it.
  await dropFirstAnswers(page);
  await page.route("**/api/v1/projects?*", (route) =>
    route.fulfill({ status: 503, body: "{}", contentType: "application/json" }),
  );
  await page.goto(`${app.url}/projects`);
  await page.getByRole("heading", { name: "This could not be loaded" }).waitFor();
  await expectAccessible(page, "a page that cannot load");
  await page.unroute("**/api/v1/projects?*");
  await page.unroute("**");
  await button("Retry").click();
  await page.getByRole("link", { name: "Survivor" }).waitFor();
  consoleMessages.length = 0;
});

test("the API reference is accessible", async () => {
  await page.goto(`${app.url}/api/docs`);
  await page.getByRole("heading", { level: 1, name: "API reference" }).waitFor();
  await expectAccessible(page, "the API reference");
  expect(consoleMessages).toEqual([]);
});

test("the current organization is the one of the open object", async () => {
  const person = await app.person("Grace");
  const [first, second] = [await makeOrganization(person), await makeOrganization(person)];
  const project = await makeProject(person, second.id);
  const { agent } = await makeWorkspace(person, project.id);
  const own = await signedInPage(browser, app, person);
  const current = ({ name }: { name: string }) =>
    own.getByRole("button", { name: `Current organization: ${name}` }).waitFor();
  await own.goto(`${app.url}/organizations/${first.id}`);
  await current(first);
  for (const path of [
    `/projects/${project.id}`,
    `/agents/${agent.id}`,
    `/agents/${agent.id}/workspace`,
    `/organizations/${second.id}/settings`,
  ]) {
    await own.goto(`${app.url}/organizations/${first.id}`);
    await current(first);
    await own.goto(app.url + path);
    await current(second);
  }
  // Another organization has no place on the page of an agent.
  await own.goto(`${app.url}/agents/${agent.id}`);
  await own.getByRole("button", { name: /^Current organization/ }).click();
  await own.getByRole("menuitemradio", { name: first.name }).click();
  await own.waitForURL(`${app.url}/organizations/${first.id}`);
  await current(first);
  await own.context().close();
});
