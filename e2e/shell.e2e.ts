/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import {
  dropFirstAnswers,
  launchBrowser,
  signedInPage,
  screenshot,
  watchConsole,
} from "./support/browser.js";

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
  const project = await makeProject(owner, orgId);
  await makeWorkspace(owner, project.id);
  for (const name of ["Atlas", "Borealis", "Cumulus", "Drift", "Ember", "Fjord"]) {
    await owner.api.projects.create({ body: { organization_id: orgId, name } });
  }
  page = await signedInPage(browser, app, owner);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const field = (name: string) => page.getByLabel(name, { exact: true });
const palette = () => page.getByRole("combobox", { name: "Search and commands" });
const active = () => page.locator("[role=option][aria-selected=true]");
const dialog = () => page.getByRole("dialog");
const firstProjects = () => page.getByRole("table", { name: "Projects" }).getByRole("row");

test("the palette reaches every page and action by keyboard", async () => {
  await page.goto(`${app.url}/projects`);
  await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
  await page.keyboard.press("Control+k");
  await palette().waitFor();
  await page.getByRole("option", { name: /^Atlas / }).waitFor({ state: "attached" });
  const groups = await page.getByRole("listbox").getByRole("group").all();
  const named = groups.map((group) => group.getAttribute("aria-labelledby"));
  for (const id of await Promise.all(named)) {
    expect(await page.locator(`[id="${id}"]`).innerText()).not.toBe("");
  }
  await page.getByRole("group", { name: "Go to" }).waitFor();
  await expectAccessible(page, "the palette");
  await screenshot(page, "command-palette");
  await expect
    .poll(() => palette().evaluate((input) => input === document.activeElement))
    .toBe(true);
  await palette().fill("bor");
  await active().getByText("Borealis", { exact: true }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Borealis" }).waitFor();

  await page.keyboard.press("Control+k");
  await palette().fill("settings mem");
  await active().getByText("Settings: Members").waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/tab=members/);

  await page.keyboard.press("Control+k");
  await palette().fill("zzzz");
  await page.getByText("No results.").waitFor();
  await page.keyboard.press("Escape");
  await palette().waitFor({ state: "hidden" });

  // The command opens a dialog that is in the address; Back closes it.
  await page.keyboard.press("Control+k");
  await palette().fill("new pro");
  await page.keyboard.press("Enter");
  await dialog().getByRole("heading", { name: "New project" }).waitFor();
  expect(page.url()).toMatch(/\/projects\?new=true$/);
  await page.goBack();
  await page.waitForURL(/tab=members/);

  // For the mouse and screen readers it is a button, which gets the focus back.
  await button(/^Search or jump to/).click();
  await palette().waitFor();
  await page.keyboard.press("Escape");
  await palette().waitFor({ state: "hidden" });
  const isFocused = () =>
    button(/^Search or jump to/).evaluate((element) => element === document.activeElement);
  await expect.poll(isFocused).toBe(true);
});

test("a table's search and sort order are in the address", async () => {
  await page.goto(`${app.url}/projects`);
  const order = () => page.getByRole("columnheader", { name: "Project" }).getAttribute("aria-sort");
  await button("Project").click();
  await page.waitForURL(/sort=name/);
  await expect.poll(order).toBe("ascending");
  await button("Project").click();
  await page.waitForURL(/sort=-name/);
  await expect.poll(order).toBe("descending");
  await page.keyboard.press("/");
  await page.keyboard.type("r");
  await page.getByText("5 of 7 projects").waitFor();
  await page.waitForURL(/q=r/);
  await page.reload();
  await page.getByText("5 of 7 projects").waitFor();
  expect(await firstProjects().nth(1).innerText()).toMatch(/^project-/);
  expect(await firstProjects().nth(5).innerText()).toContain("Borealis");
  await expectAccessible(page, "a narrowed table");
  await page.getByRole("searchbox").fill("nothing like it");
  await page.getByText("No project fits this search.").waitFor();
  await button("Clear search").click();
  await page.getByRole("link", { name: "Atlas" }).waitFor();
});

test("leaving with unsaved input asks for confirmation in every way", async () => {
  await page.goto(`${app.url}/projects`);
  await button("New project").click();
  await expect
    .poll(() => field("Name").evaluate((input) => input === document.activeElement))
    .toBe(true);
  await field("Name").fill("Half typed");
  await page.keyboard.press("Escape");
  await dialog().getByText("Discard your changes?").waitFor();
  await expectAccessible(page, "the question");
  await button("Keep editing").click();
  expect(await field("Name").inputValue()).toBe("Half typed");
  await page.goBack();
  await button("Keep editing").click();
  expect(await field("Name").inputValue()).toBe("Half typed");
  await page.keyboard.press("Escape");
  await button("Discard changes").click();
  await dialog().waitFor({ state: "hidden" });

  await page.goto(`${app.url}/organizations/${orgId}/settings`);
  await field("Description").fill("Not saved yet");
  await page.getByRole("tab", { name: "Billing" }).click();
  await button("Keep editing").click();
  expect(await field("Description").inputValue()).toBe("Not saved yet");
  await page.getByRole("link", { name: "Agents" }).click();
  await button("Discard changes").click();
  await page.waitForURL(/\/agents$/);
});

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

test("an unknown address shows a helpful page, signed in and signed out", async () => {
  await page.goto(`${app.url}/nowhere/at/all`);
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
  await expectAccessible(page, "no page");
  await page.keyboard.press("Control+k");
  await palette().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("main").getByRole("link", { name: "Projects" }).click();
  await page.waitForURL(/\/projects$/);
  await page.goto(`${app.url}/settings`);
  await page.waitForURL(/\/settings\/profile$/);
  // The browser logs the page's 404.
  expect(consoleMessages.splice(0)).toEqual([expect.stringContaining("404")]);
});

test("keyboard: skip link, heading focus after navigation, titles", async () => {
  await page.goto(`${app.url}/organizations`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to content");
  await page
    .getByRole("navigation", { name: "Main" })
    .getByRole("link", { name: "Agents" })
    .click();
  await page.getByRole("heading", { level: 1, name: "Agents" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.closest("main") !== null);
  expect(await page.title()).toBe("Agents · Omoi");
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
