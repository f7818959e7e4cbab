/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessibleInBothSchemes } from "./support/accessible.js";
import { launchBrowser, signedInPage, screenshot, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let consoleMessages: string[];
let ada: TestPerson;
let grace: TestPerson;
let organization: Organization;

beforeAll(async () => {
  app = await startTestApp();
  ada = await app.person("Ada-Lovelace");
  grace = await app.person("Grace-Hopper");
  organization = (await ada.api.organizations.create({ body: { name: "Acme Corp" } })).data;
  await ada.api.organizations.create({ body: { name: "Side project" } });
  const params = { org_id: organization.id };
  const { data: roles } = await ada.api.roles.list({ params });
  const viewer = roles.find(({ name }) => name === "viewer")?.id ?? "";
  await ada.api.members.add({ params, body: { user_id: grace.id, role_id: viewer } });
  await ada.api.projects.create({ body: { organization_id: organization.id, name: "Auth" } });

  browser = await launchBrowser();
  page = await signedInPage(browser, app, ada);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog");
const settings = (tab: string): string =>
  `${app.url}/organizations/${organization.id}/settings?tab=${tab}`;

test("labels are those of the design, and people and agents are counted apart", async () => {
  const { data: projects } = await ada.api.projects.list({
    query: { organization_id: organization.id },
  });
  const body = { project_id: projects[0]?.id as string, name: "worker-1" };
  await ada.api.agents.create({ body });
  await page.goto(`${app.url}/organizations`);
  const card = page.getByRole("main").locator("section, li").filter({ hasText: "acme-corp" });
  await card.getByText("2 people, 1 agent", { exact: true }).first().waitFor();
  await card.getByText("0/5 agents, 0/100 hours").first().waitFor();

  await page.goto(settings("resources"));
  await page.getByRole("heading", { level: 1, name: "Organization: Acme Corp" }).waitFor();
  await page.getByText("Slug: acme-corp").waitFor();
  expect(await page.getByRole("tab").allInnerTexts()).toEqual([
    "General",
    "Resources",
    "Members",
    "Billing",
    "Service accounts",
    "Forges",
    "Webhooks",
    "Audit",
  ]);
  expect(await page.getByLabel("Max Runtime Hours").inputValue()).toBe("100.0");
  await page.goto(settings("members"));
  const invite = await button("Invite Member").boundingBox();
  const members = await page.getByRole("table", { name: "Members" }).boundingBox();
  expect(invite?.y).toBeLessThan(members?.y ?? 0);
  expect(consoleMessages).toEqual([]);
});

test("the audit log shows whole scopes", async () => {
  const scopes = ["org:acme-corp:*"];
  const { data: key } = await ada.api.apiKeys.create({ body: { name: "Scoped", scopes } });
  await page.goto(settings("audit"));
  const row = page.getByRole("table", { name: "Audit log" }).getByRole("row").nth(1);
  await row.getByText("Scoped").first().waitFor();
  expect((await row.innerText()).replaceAll(/\s+/g, " ")).toContain("scopes: org:acme-corp:*");
  await ada.api.apiKeys.revoke({ params: { key_id: key.id } });
});

test("Edit focuses the slug", async () => {
  await page.goto(settings("general"));
  const name = await page.getByLabel("Name", { exact: true }).inputValue();
  await button("Edit").click();
  await page.keyboard.press("End");
  await page.keyboard.type("-more");
  expect(await page.getByLabel("Slug").inputValue()).toMatch(/-more$/);
  expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe(name);
  await page.getByLabel("Slug").fill((await page.getByLabel("Slug").inputValue()).slice(0, -5));
});

test("the former owner becomes an admin, who can neither archive nor transfer", async () => {
  await page.goto(settings("general"));
  await expect
    .poll(() => button("Transfer…").getAttribute("title"))
    .toBe("Choose the new owner first.");
  await page.getByLabel("New owner").selectOption(grace.id);
  await button("Transfer…").scrollIntoViewIfNeeded();
  await screenshot(page, "danger-zone");
  await button("Transfer…").click();
  await dialog()
    .getByText(/Grace-Hopper becomes the owner of Acme Corp; you become an admin/)
    .waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "transfer");
  await button("Transfer").click();
  await page.getByText("Grace-Hopper is the owner now").waitFor();
  await dialog().waitFor({ state: "hidden" });
  await expect
    .poll(() => button("Archive organization…").getAttribute("title"))
    .toMatch(/Your role \(admin\) may not archive/);
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "danger-zone-admin");

  const params = { org_id: organization.id };
  await grace.api.organizations.archive({ params });
  await page.goto(`${app.url}/organizations/${organization.id}`);
  await page.getByText("An owner can restore it.").waitFor();
  expect(await button("Restore").count()).toBe(0);
  expect(consoleMessages).toEqual([]);
});
