/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, signedInPage, screenshot } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let ada: TestPerson;
let organization: Organization;

beforeAll(async () => {
  app = await startTestApp();
  ada = await app.person("Ada-Lovelace");
  organization = (await ada.api.organizations.create({ body: { name: "Acme Corp" } })).data;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, ada);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

test("a key is created with allowed networks and a limit, used, rotated and restricted", async () => {
  await page.goto(`${app.url}/settings/api-keys/new`);
  await page.getByLabel("Name").fill("CI/CD Integration");
  await page.getByText("More options", { exact: true }).click();
  await page.getByLabel("Allowed addresses").fill("not a network");
  await page.getByLabel("Requests a minute").fill("600");
  await screenshot(page, "api-key-form");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Generate Key" }).click();
  await page
    .getByText(/must be a network such as/)
    .first()
    .waitFor();
  await page.getByLabel("Allowed addresses").fill("127.0.0.1\n10.0.0.0/8");
  await page.getByRole("button", { name: "Generate Key" }).click();
  const secret = await page.getByTestId("secret").innerText();
  await expectAccessible(page);

  const api = app.client(secret);
  expect((await api.organizations.list()).data.map(({ id }) => id)).toEqual([organization.id]);
  await page.getByRole("button", { name: "Copy Key" }).click();
  await page.getByRole("link", { name: "Done" }).click();
  await page
    .getByRole("link", { name: /View Details/ })
    .first()
    .click();
  await page.getByRole("heading", { name: "Usage" }).waitFor();
  await page.getByText("10.0.0.0/8").first().waitFor();
  const ticks = page.locator("figure").getByText(/^[\d.,]+$/);
  expect((await ticks.allInnerTexts()).slice(0, 3)).toEqual(["2", "1", "0"]);
  await screenshot(page, "api-key-details");
  await expectAccessible(page);

  await page.getByRole("button", { name: "Narrow scope" }).click();
  await page.getByText("Scope narrowed").waitFor();
  const { data: keys } = await ada.api.apiKeys.list();
  expect(keys[0]?.scopes).toEqual([`org:${organization.slug}:org:read`]);
  expect((await api.organizations.list()).data).toHaveLength(1);
  await expectProblem(
    api.projects.list({ query: { organization_id: organization.id } }),
    403,
    "insufficient_permission",
  );

  await page.getByRole("button", { name: "Rotate" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("The old key").waitFor();
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Rotate key" }).click();
  await expect.poll(() => page.getByTestId("secret").innerText()).not.toBe(secret);
  const rotated = await page.getByTestId("secret").innerText();
  for (const key of [secret, rotated]) {
    expect((await app.client(key).organizations.list()).data).toHaveLength(1);
  }
});

test("a key created for an agent has the permissions of the agent's role", async () => {
  const { data: project } = await ada.api.projects.create({
    body: { organization_id: organization.id, name: "App" },
  });
  const { data: agent } = await ada.api.agents.create({
    body: { project_id: project.id, name: "worker-1" },
  });
  await page.goto(`${app.url}/settings/api-keys/new`);
  await page.getByLabel("Name").fill("Worker elsewhere");
  await page.getByLabel("Acts as").selectOption({ label: "The agent worker-1" });
  await expectAccessible(page);
  await screenshot(page, "api-key-form-agent");
  await page.getByRole("button", { name: "Generate Key" }).click();
  const api = app.client(await page.getByTestId("secret").innerText());
  expect((await api.agents.get({ params: { agent_id: agent.id } })).data.name).toBe("worker-1");
  await expectProblem(
    api.agents.create({ body: { project_id: project.id, name: "worker-2" } }),
    403,
    "insufficient_permission",
  );
  await page.getByRole("button", { name: "Copy Key" }).click();
  await page.getByRole("link", { name: "Done" }).click();
  await page
    .getByRole("link", { name: /View Details/ })
    .first()
    .click();
  await page.getByRole("link", { name: "worker-1" }).waitFor();
});

test("the list's copy button names the key's ID", async () => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.goto(`${app.url}/settings/api-keys`);
  await page.getByRole("button", { name: "Copy key ID" }).first().click();
  const { data: keys } = await ada.api.apiKeys.list();
  const ids = new Set(keys.map(({ id }) => id));
  await expect
    .poll(async () => ids.has(await page.evaluate(() => navigator.clipboard.readText())))
    .toBe(true);
});

test("the organization's settings list and revoke keys with access to it", async () => {
  const { data: second } = await ada.api.organizations.create({ body: { name: "Second" } });
  const scopes = [organization, second].map(({ slug }) => `org:${slug}:*`);
  const { data: both } = await ada.api.apiKeys.create({ body: { name: "Everywhere", scopes } });
  const { data: full } = await ada.api.apiKeys.create({ body: { name: "Private" } });
  await page.goto(`${app.url}/organizations/${organization.id}/settings?tab=members`);
  const button = page.getByRole("button", { name: "Block Everywhere" });
  await button.waitFor();
  expect(await page.getByText(full.key_hint).count()).toBe(0);
  await expectAccessible(page);
  await button.scrollIntoViewIfNeeded();
  await screenshot(page, "organization-api-keys");
  await button.click();
  await page.getByRole("dialog").getByRole("button", { name: "Block" }).click();
  await page.getByText("Key blocked").waitFor();
  await button.waitFor({ state: "detached" });
  const params = { org_id: organization.id };
  await expectProblem(
    app.client(both.key as string).organizations.get({ params }),
    404,
    "not_found",
  );
});
