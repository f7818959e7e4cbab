import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGitea } from "#test/support/forges/gitea/gitea-double.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { launchBrowser, look, screenshot, signedInPage } from "./support/browser.js";

/** The connection to a double of a forge. */
const token = "a-token-of-the-forge-0123456789";
let app: TestApp;
let browser: Browser;
let page: Page;
let org: Organization;
let forge: ForgeDouble;

beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true" });
  const owner = await app.person("Ada");
  org = await makeOrganization(owner);
  forge = await startGitea();
  forge.tokens.set(token, { login: "lead", reach: null });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
});
afterAll(async () => {
  await browser.close();
  await app.close();
  await forge.close();
});

const screen = async (name: string): Promise<void> => {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, `${name}-390`);
  await page.setViewportSize({ width: 1440, height: 900 });
};
const button = (name: string) => page.getByRole("button", { name, exact: true });

test("a forge is connected by a token", async () => {
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=forges`);
  await page.getByText("No forges yet.").waitFor();
  await screen("forges-empty");
  await button("Connect forge").click();
  const dialog = page.getByRole("dialog", { name: "Connect forge" });
  await dialog.getByRole("radio", { name: /Gitea/ }).check();
  await dialog.getByRole("textbox", { name: "Address" }).fill(forge.url);
  await dialog.getByLabel("Token", { exact: true }).fill("not-the-token");
  await dialog.getByRole("button", { name: "Connect forge" }).click();
  await dialog.getByRole("alert").first().waitFor();
  await screen("forges-refused");
  await dialog.getByLabel("Token", { exact: true }).fill(token);
  await dialog.getByRole("button", { name: "Connect forge" }).click();
  await page.getByText("token of lead").waitFor();
  await dialog.waitFor({ state: "detached" });
  await screen("forges");
});
