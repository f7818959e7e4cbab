/// <reference lib="dom" />
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { expectAccessibleInBothSchemes } from "./support/accessible.js";
import { type Acme, startAcme } from "./support/acme.js";
import { screenshot } from "./support/browser.js";

let acme: Acme;
let app: TestApp;
let page: Page;
let consoleMessages: string[];
let ada: TestPerson;
let grace: TestPerson;
let organization: Organization;
let settings: Acme["settings"];

beforeAll(async () => {
  acme = await startAcme();
  ({ app, page, consoleMessages, ada, grace, organization, settings } = acme);
});
afterAll(() => acme.close());

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog");

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

test("a role is created, assigned, and not deleted while it has holders", async () => {
  await page.goto(settings("members"));
  await button("New role").click();
  await dialog().getByLabel("Name", { exact: true }).fill("viewer");
  await dialog().getByLabel("Inherits from").selectOption("viewer");
  await button("Select permissions…").click();
  await dialog().getByLabel("Create, import and change projects").check();
  await button("Create role").click();
  await dialog().getByText("Is taken in this organization").waitFor();
  await dialog().getByLabel("Name", { exact: true }).fill("developer");
  await button("Create role").click();
  await page.getByText("Role developer created").waitFor();

  await page.getByLabel("Role of Grace-Hopper").selectOption("developer");
  await page.getByText("Grace-Hopper is now developer").waitFor();
  const body = { organization_id: organization.id, name: "Graces" };
  expect((await grace.api.projects.create({ body })).status).toBe(201);

  await button("Delete developer").click();
  await dialog().getByRole("button", { name: "Delete" }).click();
  await dialog().getByRole("alert").getByText("Grace-Hopper").waitFor();
  await expectAccessibleInBothSchemes(page);
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await page.getByLabel("Role of Grace-Hopper").selectOption("viewer");
  await page.getByText("Grace-Hopper is now viewer").waitFor();
  await button("Delete developer").click();
  await dialog().getByRole("button", { name: "Delete" }).click();
  await page.getByText("Role developer deleted").waitFor();
  // The taken name and the role in use are a 409 each, which browsers log.
  expect(consoleMessages.filter((message) => !message.includes("409 (Conflict)"))).toEqual([]);
  consoleMessages.length = 0;
});

test("an organization is archived by typing its slug, and restored", async () => {
  await page.goto(settings("general"));
  await button("Archive organization…").click();
  const archive = dialog().getByRole("button", { name: "Archive", exact: true });
  await dialog()
    .getByLabel(/Type “acme-corp” to confirm/)
    .fill("acme");
  expect(await archive.getAttribute("aria-disabled")).toBe("true");
  await dialog().getByLabel(/Type/).fill("acme-corp");
  await archive.click();
  await page.getByText("This organization is archived").waitFor();
  expect(await button("Save Changes").getAttribute("title")).toBe("The organization is archived");
  await expectAccessibleInBothSchemes(page);

  await page.goto(`${app.url}/organizations?archived=true`);
  await page.getByText(/●\s*Archived/).waitFor();
  await page.getByRole("link", { name: "View Acme Corp" }).click();
  await button("Restore").click();
  await page.getByText("Acme Corp is restored").waitFor();
  const { data: restored } = await ada.api.organizations.get({
    params: { org_id: organization.id },
  });
  expect(restored.is_active).toBe(true);
  expect(consoleMessages).toEqual([]);
});

test("the audit log is filtered by the address, and escapes hostile names", async () => {
  const { data: projects } = await ada.api.projects.list({
    query: { organization_id: organization.id },
  });
  const auth = projects.find(({ name }) => name === "Auth");
  const params = { project_id: auth?.id as string };
  await ada.api.projects.update({ params, body: { name: "\u202Eexe.<b>Auth</b>" } });
  await page.goto(settings("audit"));
  const log = page.getByRole("table", { name: "Audit log" });
  await page.getByLabel("Action").selectOption("Changed a project");
  await page.waitForURL(/action=project\.updated/);
  await page.getByText("1 event", { exact: true }).waitFor();
  const text = await log.getByRole("row").nth(1).innerText();
  expect(text).toContain("U+202E");
  expect(text).toContain("exe.<b>Auth</b>");
  await page.getByLabel("Person").selectOption("Grace-Hopper");
  await page.getByText("No events match these filters.").waitFor();
  await page.reload();
  await page.getByText("No events match these filters.").waitFor();
  await button("Clear filters").click();
  await page.waitForURL(/tab=audit$/);
  await button(/^Details of event \d+$/)
    .first()
    .click();
  const details = page.getByRole("region", { name: /^Details of event/ });
  await details.getByText("127.0.0.1").waitFor();
  await expectAccessibleInBothSchemes(page);
  expect(consoleMessages).toEqual([]);
});

test("a slug is checked while typing", async () => {
  await page.goto(`${app.url}/organizations/new`);
  const slug = page.getByLabel("Slug");
  const status = page.getByRole("status");
  await page.getByLabel("Name", { exact: true }).fill("Acme Corp");
  await status.getByText('The slug is taken; try "acme-corp-2".').waitFor();
  expect(await slug.getAttribute("aria-invalid")).toBe("true");
  await expectAccessibleInBothSchemes(page);
  await button("Use acme-corp-2").click();
  await status.getByText("acme-corp-2 is free.").waitFor();
  await slug.fill("settings");
  await status.getByText(/is reserved/).waitFor();
  expect(consoleMessages).toEqual([]);
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
