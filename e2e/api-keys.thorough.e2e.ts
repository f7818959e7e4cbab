// Thorough: a phone in dark mode, and what is asked before a key is lost.
/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, signedInPage, screenshot, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let consoleMessages: string[];
let ada: TestPerson;
let organization: Organization;

beforeAll(async () => {
  app = await startTestApp();
  ada = await app.person("Ada-Lovelace");
  organization = (await ada.api.organizations.create({ body: { name: "Acme Corp" } })).data;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, ada);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

test("leaving an uncopied key asks for confirmation", async () => {
  const generate = async (): Promise<void> => {
    await page.goto(`${app.url}/settings/api-keys/new`);
    await page.getByLabel("Name").fill("Precious");
    await page.getByRole("button", { name: "Generate Key" }).click();
    await page.getByTestId("secret").waitFor();
  };
  const question = page.getByRole("dialog", { name: "Leave without copying the key?" });
  const navigation = page.getByRole("navigation", { name: "Main" });
  await generate();
  const key = await page.getByTestId("secret").innerText();
  // Neither the example nor anything else repeats the secret.
  expect((await page.content()).split(key)).toHaveLength(2);
  for (const leave of [
    () => navigation.getByRole("link", { name: "Projects" }).click(),
    () => page.getByRole("link", { name: "Done" }).click(),
  ]) {
    await leave();
    await question.waitFor();
    await expectAccessible(page, "the question before a new key is lost");
    await screenshot(page, "key-not-copied");
    await question.getByRole("button", { name: "Stay on this page" }).click();
    expect(await page.getByTestId("secret").innerText()).toBe(key);
  }
  // On closing the tab or leaving the app, the browser asks in its own words.
  const asked = page.waitForEvent("dialog");
  const left = page.evaluate("void setTimeout(() => location.assign('/projects'))");
  const prompt = await asked;
  expect(prompt.type()).toBe("beforeunload");
  await prompt.dismiss();
  await left;
  expect(await page.getByTestId("secret").innerText()).toBe(key);
  await page.getByRole("button", { name: "Copy Key" }).click();
  await navigation.getByRole("link", { name: "Projects" }).click();
  await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();

  await generate();
  await navigation.getByRole("link", { name: "Projects" }).click();
  await question.getByRole("button", { name: "Leave without copying" }).click();
  await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
});

test("an invalid limit gets the focus, even within closed details", async () => {
  await page.goto(`${app.url}/settings/api-keys/new`);
  await page.getByLabel("Name").fill("Limited");
  await page.getByText("More options", { exact: true }).click();
  const limit = page.getByLabel("Requests a minute");
  await limit.fill("many");
  await page.getByText("More options", { exact: true }).click();
  await page.getByRole("button", { name: "Generate Key" }).click();
  await expect
    .poll(() => limit.evaluate((element) => element === document.activeElement))
    .toBe(true);

  await page.goto(`${app.url}/organizations/${organization.id}/settings?tab=resources`);
  for (const [label, value] of [
    ["Max Runtime Hours", "-1"],
    ["Max Concurrent Agents", "0"],
  ] as const) {
    const field = page.getByLabel(label);
    await field.fill(value);
    await page.getByRole("button", { name: "Update Limits" }).click();
    await expect
      .poll(() => field.evaluate((element) => element === document.activeElement))
      .toBe(true);
  }
});

test("all content is visible on a phone and in dark mode", async () => {
  await page.setViewportSize({ width: 320, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  const { data: keys } = await ada.api.apiKeys.list();
  for (const [name, path] of [
    ["list", ""],
    ["details", `/${keys.at(-1)?.id}`],
    ["new", "/new"],
  ] as const) {
    await page.goto(`${app.url}/settings/api-keys${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    await expectFits(page, name);
    await expectAccessible(page);
    await screenshot(page, `api-keys-phone-${name}`);
  }
  // The limits of the test before are rejected.
  expect(consoleMessages.filter((text) => !text.includes("422"))).toEqual([]);
});
