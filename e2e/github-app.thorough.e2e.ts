import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGithub } from "#test/support/forges/github/github-double.js";
import { GithubPages } from "#test/support/forges/github/github-pages.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** An App that is made from the browser, with a double of GitHub and of its pages. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let org: Organization;
let double: ForgeDouble;
let github: GithubPages;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true" }, "real");
  owner = await app.person("Ada");
  org = await makeOrganization(owner);
  double = await startGithub();
  github = new GithubPages(double);
  await double.addRepository("acme/shop", { "a.txt": "a\n" });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
  // The API of the double lies elsewhere than that of GitHub Enterprise Server.
  await page.route("**/github-manifest", (route) => {
    const body = route.request().postDataJSON() as object;
    return route.continue({ postData: JSON.stringify({ ...body, api_url: double.apiUrl }) });
  });
});
afterAll(async () => {
  await browser.close();
  await app.close();
  await double.close();
});

const screen = async (name: string): Promise<void> => {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, `${name}-390`);
  await page.setViewportSize({ width: 1440, height: 900 });
};
const button = (name: string) => page.getByRole("button", { name, exact: true });
const link = (name: string) => page.getByRole("link", { name, exact: true });
const settings = (): string => `${app.url}/organizations/${org.id}/settings?tab=forges`;

async function makeApp(): Promise<void> {
  await page.goto(settings());
  await button("Connect GitHub").click();
  const dialog = page.getByRole("dialog", { name: "Connect GitHub" });
  await dialog.getByRole("textbox", { name: "Address" }).fill(double.url);
  await screen("github-connect");
  await dialog.getByRole("button", { name: "Continue to GitHub" }).click();
  await link("Create GitHub App for acme").click();
  await page.getByRole("heading", { name: "Install Omoi" }).waitFor();
}

test("an App is made and installed, and the organization is connected", async () => {
  await makeApp();
  await link("Install elsewhere").click();
  await page.getByText("GitHub does not show you this installation").waitFor();
  await screen("github-refused");
  await page.goBack();
  await link("Install").click();
  await page.getByText("GitHub is connected.").waitFor();
  await page.getByText("App in acme").waitFor();
  await screen("github-connected");
  await page.reload();
  const { data: forges } = await owner.api.forges.list({ params: { org_id: org.id } });
  expect(forges).toMatchObject([{ kind: "github", auth: "app", account: "acme" }]);
});

test("a person links an account in the browser", async () => {
  github.login = "Ada-L";
  await page.goto(`${app.url}/settings/profile`);
  await button(`Link account on ${new URL(double.url).host}`).click();
  await page.getByText("Your account is linked.").waitFor();
  await page.getByText("@ada-l").waitFor();
  await screen("github-linked");
  await page.goto(`${app.url}/api/v1/forges/github/callback?state=wrong&code=wrong`);
  await page.getByText("This step has expired").waitFor();
  expect(double.violations).toEqual([]);
  expect(messages).toEqual([]);
});
