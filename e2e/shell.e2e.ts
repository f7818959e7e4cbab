/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, signedInPage, screenshot, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let orgId: string;
let consoleMessages: string[];

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  const owner = await app.person("Ada");
  orgId = (await makeOrganization(owner)).id;
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
  expect(consoleMessages).toEqual([]);
});

test("on a phone the pages fit and the menu works", async () => {
  await page.setViewportSize({ width: 320, height: 844 });
  for (const path of ["/organizations", "/projects", "/agents", "/settings/api-keys"]) {
    await page.goto(app.url + path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await expectFits(page, path);
  }
  await button("Open menu").click();
  await dialog().getByRole("link", { name: "Projects" }).click();
  await page.waitForURL(/\/projects$/);
  await screenshot(page, "phone-projects");
  await page.setViewportSize({ width: 1440, height: 900 });
});
