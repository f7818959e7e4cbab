// Thorough: every state of the settings in both schemes, and hundreds of organizations.
/// <reference lib="dom" />
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { insertMembers } from "#test/support/database/bulk-members.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
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

/** Returns the accessible name of the focused element. */
const focused = (): Promise<string | null> =>
  page.evaluate(
    () =>
      document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.tagName ?? null,
  );

test("a role is created, assigned, and not deleted while it has holders", async () => {
  await page.goto(settings("members"));
  const roles = page.getByRole("table", { name: "Roles" });
  const row = roles.getByRole("row", { name: /developer/ });
  await roles
    .getByRole("row", { name: /viewer/ })
    .getByText("Read-only")
    .waitFor();
  await button(/permissions of viewer/).click();
  await page
    .getByRole("region", { name: "What viewer can do" })
    .getByText("See projects")
    .waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "roles");
  await button(/permissions of viewer/).click();

  await button("New role").click();
  await dialog().getByLabel("Name", { exact: true }).fill("viewer");
  await dialog().getByLabel("Inherits from").selectOption("viewer");
  await button("Select permissions…").click();
  await dialog().getByLabel("Create, import and change projects").check();
  await dialog()
    .getByText(/Permissions in total: 9 of \d+/)
    .click();
  await expectAccessibleInBothSchemes(page);
  await button("Create role").click();
  await dialog().getByText("Is taken in this organization").waitFor();
  const name = dialog().getByLabel("Name", { exact: true });
  await expect.poll(() => name.evaluate((input) => input === document.activeElement)).toBe(true);
  await name.fill("developer");
  await dialog()
    .getByLabel(/^Description/)
    .fill("Changes projects");
  await screenshot(page, "role-editor");
  await button("Create role").click();
  await page.getByText("Role developer created").waitFor();
  await dialog().waitFor({ state: "hidden" });
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.textContent))
    .toBe("New role");
  await row.getByText("viewer").waitFor();

  await page.getByLabel("Role of Grace-Hopper").selectOption("developer");
  await page.getByText("Grace-Hopper is now developer").waitFor();
  const body = { organization_id: organization.id, name: "Graces" };
  expect((await grace.api.projects.create({ body })).status).toBe(201);

  await button("Edit developer").click();
  await dialog().getByText("1 member is affected, at once.").waitFor();
  await button("1 permission").click();
  await dialog().getByLabel("Push with git").check();
  await button("Save role").click();
  await page.getByText("Role developer saved").waitFor();
  await button(/^10 of \d+ permissions of developer$/).waitFor();
  await expect.poll(focused).toBe("Edit developer");

  await button("Delete developer").click();
  await dialog().getByRole("button", { name: "Delete" }).click();
  await dialog().getByRole("alert").getByText("Grace-Hopper").waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "role-in-use");
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await expect.poll(focused).toBe("Delete developer");
  // The rejection itself is a 409, which browsers log to the console; so was the taken name.
  expect(consoleMessages.filter((message) => !message.includes("409 (Conflict)"))).toEqual([]);
  consoleMessages.length = 0;

  await page.getByLabel("Role of Grace-Hopper").selectOption("viewer");
  await page.getByText("Grace-Hopper is now viewer").waitFor();
  await button("Delete developer").click();
  await dialog().getByRole("button", { name: "Delete" }).click();
  await page.getByText("Role developer deleted").waitFor();
  await row.waitFor({ state: "hidden" });
  // Its row was removed: the focus moves to the next one.
  await expect.poll(focused).toMatch(/permissions of agent_executor$/);
  expect(consoleMessages).toEqual([]);
});

test("an organization is archived by typing its slug, marked on every page, and restored", async () => {
  await page.goto(settings("general"));
  await button("Archive organization…").click();
  const archive = dialog().getByRole("button", { name: "Archive", exact: true });
  await dialog()
    .getByLabel(/Type “acme-corp” to confirm/)
    .fill("acme");
  expect(await archive.getAttribute("aria-disabled")).toBe("true");
  await page.keyboard.press("Enter");
  await dialog().getByLabel(/Type/).fill("acme-corp");
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "archive");
  expect(await archive.getAttribute("aria-disabled")).toBeNull();
  await archive.click();
  await page.getByText("Acme Corp is archived").waitFor();
  await page.getByText("This organization is archived").waitFor();
  expect(await page.getByLabel("Name", { exact: true }).isDisabled()).toBe(true);
  expect(await button("Save Changes").getAttribute("title")).toBe("The organization is archived");
  expect(await button("Archive organization…").getAttribute("title")).toBe(
    "The organization is archived",
  );
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "archived-settings");
  for (const [tab, name] of [
    ["members", "New role"],
    ["members", "Remove Grace-Hopper"],
    ["members", "Leave the organization"],
    ["resources", "Update Limits"],
    ["billing", "Save Changes"],
  ] as const) {
    await page.goto(settings(tab));
    await page.getByText("This organization is archived").waitFor();
    await expect
      .poll(() => button(name).getAttribute("title"))
      .toBe("The organization is archived");
  }

  await page.goto(`${app.url}/organizations`);
  const main = page.getByRole("main");
  await main.getByText("Side project").first().waitFor();
  expect(await main.getByText("Acme Corp").count()).toBe(0);
  await page.getByLabel("Show archived").check();
  await page.waitForURL(/\/organizations\?archived=true$/);
  await page.getByText(/●\s*Archived/).waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "organizations-archived");
  await page.reload();
  await page.getByRole("link", { name: "View Acme Corp" }).click();
  await page.getByText("This organization is archived").waitFor();
  await page.getByText("Your role:").waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "archived-overview");
  await page.emulateMedia({ colorScheme: "dark" });
  await screenshot(page, "archived-overview-dark");
  await page.setViewportSize({ width: 320, height: 844 });
  await expectFits(page);
  await screenshot(page, "phone-archived-overview-dark");
  await page.setViewportSize({ width: 1440, height: 900 });

  await button("Restore").click();
  await page.getByText("Acme Corp is restored").waitFor();
  await page.getByText("This organization is archived").waitFor({ state: "hidden" });
  await expect.poll(focused).toBe("H1");
  expect(
    (await ada.api.organizations.get({ params: { org_id: organization.id } })).data.is_active,
  ).toBe(true);
  expect(consoleMessages).toEqual([]);
});

test("the editor shows gained and lost permissions, and the tab explains them", async () => {
  const params = { org_id: organization.id };
  const make = async (name: string, inherits_from: string) =>
    (
      await ada.api.roles.create({
        params,
        body: { name, permissions: ["project:write"], inherits_from },
      })
    ).data;
  const tester = await make("tester", "viewer");
  const lead = await make("lead", tester.id);
  await page.goto(settings("members"));
  await page.getByLabel("Role of Grace-Hopper").selectOption("lead");
  await page.getByText("Grace-Hopper is now lead").waitFor();
  await button("Edit tester").click();
  const impact = dialog().getByRole("region", { name: "What saving changes" });
  await impact.getByText("Nothing of what its members can do.").waitFor();
  await dialog().getByLabel("Inherits from").selectOption("");
  await button("1 permission").click();
  await dialog().getByLabel("Push with git").check();
  // Twice: for the role itself, which has no holders, and for the role that inherits from it.
  expect(await impact.getByText("Gains: Push with git").count()).toBe(2);
  expect(await impact.getByText("Loses: See members and invitations").count()).toBe(2);
  await impact.getByText("tester · not assigned").waitFor();
  await impact.getByText("lead · assigned to Grace-Hopper").waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "role-impact");
  await button("Cancel").click();

  await page.getByLabel("Check a permission").selectOption("org:archive");
  await page.getByText("Your role owner has *:*.").waitFor();
  // The toast about Grace-Hopper covers the page and offers an undo for a while.
  const toast = page.locator("[data-toast]").filter({ hasText: "Grace-Hopper is now lead" });
  await toast.getByRole("button", { name: "Dismiss" }).click();
  await toast.waitFor({ state: "detached" });
  // axe would report a button half below the header as too small.
  await page.evaluate(() => window.scrollTo(0, 0));
  await expectAccessibleInBothSchemes(page);
  await page.getByText("Your role owner has *:*.").scrollIntoViewIfNeeded();
  await screenshot(page, "my-permissions");
  await page.getByLabel("Role of Grace-Hopper").selectOption("viewer");
  await page.getByText("Grace-Hopper is now viewer").waitFor();
  for (const role_id of [lead.id, tester.id])
    await ada.api.roles.remove({ params: { ...params, role_id } });
  expect(consoleMessages).toEqual([]);
});

test("the audit log is shown, filtered by the address, and summarized on the overview", async () => {
  const params = { org_id: organization.id };
  const { data: key } = await ada.api.apiKeys.create({
    body: { name: "CI", organization_id: organization.id },
  });
  const withKey = app.client(key.key as string);
  const hostile = "\u202Eexe.<b>Auth</b>";
  const { data: projects } = await ada.api.projects.list({
    query: { organization_id: organization.id },
  });
  const ofProject = { params: { project_id: projects[0]?.id as string } };
  await withKey.projects.update({ ...ofProject, body: { name: hostile } });
  for (let number = 1; number <= 55; number += 1)
    await ada.api.organizations.update({ params, body: { description: `Draft ${number}` } });

  await page.goto(settings("audit"));
  const log = page.getByRole("table", { name: "Audit log" });
  const newest = log.getByRole("row").nth(1);
  await newest.getByText("Ada-Lovelace").waitFor();
  await newest.getByText("changed the organization").waitFor();
  await newest.getByText(/description: Draft 54.*Draft 55/).waitFor();
  await page.getByText("Page 1", { exact: true }).waitFor();
  await button("Next").click();
  await page.getByText("Page 2", { exact: true }).waitFor();
  await log.getByText("created the organization").waitFor();
  await button("Previous").click();
  await page.getByText("Page 1", { exact: true }).waitFor();
  await newest.getByText("changed the organization").waitFor();
  await button(/^Details of event \d+$/)
    .first()
    .click();
  const details = page.getByRole("region", { name: /^Details of event/ });
  await details.getByText("127.0.0.1").waitFor();
  const { data: events } = await ada.api.audit.list({ params, query: { limit: 1 } });
  await details.getByText(events[0]?.hash as string, { exact: true }).waitFor();
  await details.getByRole("button", { name: "Copy hash", exact: true }).waitFor();
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "audit");
  /** Returns the lines of the file that the link gives. */
  const download = async (link: string): Promise<string[]> => {
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: link }).click(),
    ]);
    expect(file.suggestedFilename()).toMatch(/^audit-acme-corp-.*\.ndjson$/);
    return (await readFile(await file.path(), "utf8")).trimEnd().split("\n");
  };
  expect(await download("Download all events")).toHaveLength(events[0]?.sequence ?? 0);

  await page.getByLabel("Action").selectOption("Changed a project");
  await page.waitForURL(/action=project\.updated/);
  await page.getByText("1 event", { exact: true }).waitFor();
  const [line = "", ...others] = await download("Download the events that match the filters");
  expect([JSON.parse(line).action, others]).toEqual(["project.updated", []]);
  const byKey = log.getByRole("row").nth(1);
  await byKey.getByText("API key").waitFor();
  expect(await byKey.innerText()).toContain("U+202E");
  expect(await byKey.innerText()).toContain("exe.<b>Auth</b>");
  await page.getByLabel("Person").selectOption("Grace-Hopper");
  await page.getByText("No events match these filters.").waitFor();
  await page.reload();
  await page.getByText("No events match these filters.").waitFor();
  await page.getByLabel("Person").selectOption("Ada-Lovelace");
  const now = Date.parse(events[0]?.at ?? "");
  const dayAfter = new Date(now + 2 * 86_400_000).toISOString().slice(0, 10);
  const dayBefore = new Date(now - 2 * 86_400_000).toISOString().slice(0, 10);
  await page.getByLabel("From").fill(dayBefore);
  await page.getByLabel("To", { exact: true }).fill(dayAfter);
  await page.waitForURL(new RegExp(`from=${dayBefore}&to=${dayAfter}`));
  await page.getByText("1 event", { exact: true }).waitFor();
  await page.getByLabel("From").fill(dayAfter);
  await page.getByText("No events match these filters.").waitFor();
  await expectAccessibleInBothSchemes(page);
  await page.setViewportSize({ width: 320, height: 844 });
  await button("Clear filters").click();
  await page.waitForURL(/tab=audit$/);
  await newest.getByText("Ada-Lovelace").waitFor();
  await expectFits(page);
  await screenshot(page, "phone-audit");
  await page.setViewportSize({ width: 1440, height: 900 });

  await page.goto(`${app.url}/organizations/${organization.id}`);
  await page.getByRole("heading", { name: "Recent activity" }).waitFor();
  await page.getByText("Ada-Lovelace changed the organization").first().waitFor();
  await expectAccessibleInBothSchemes(page);
  await page.getByRole("link", { name: "Audit log" }).click();
  await page.waitForURL(/settings\?tab=audit$/);
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
  await screenshot(page, "slug-taken");
  await button("Use acme-corp-2").click();
  await status.getByText("acme-corp-2 is free.").waitFor();
  expect(await slug.getAttribute("aria-invalid")).toBeNull();
  await slug.fill("settings");
  await status.getByText(/is reserved/).waitFor();
  await slug.fill("Not a slug");
  await status.getByText(/use a-z, 0-9/).waitFor();

  // A pending response for an earlier input does not delay the check.
  const slow = /slug-availability\?slug=still-out$/;
  await page.route(slow, () => {});
  const asked = page.waitForRequest(slow);
  await slug.fill("still-out");
  await asked;
  const dropped = page.waitForEvent("requestfailed");
  await slug.fill("quite-another");
  await dropped;
  await status.getByText("quite-another is free.").waitFor();
  expect(await slug.getAttribute("aria-invalid")).toBeNull();
  await page.unroute(slow);

  await page.goto(settings("general"));
  await button("Edit").click();
  await slug.fill("side-project");
  await status.getByText(/is taken/).waitFor();
  await slug.fill("acme-renamed");
  await status.getByText("acme-renamed is free.").waitFor();
  await expectAccessibleInBothSchemes(page);
  await slug.fill("acme-corp");
  await status.getByText("is free").waitFor({ state: "hidden" });
  expect(consoleMessages).toEqual([]);
});

test("on a phone the tabs and dialogs fit", async () => {
  await page.setViewportSize({ width: 320, height: 844 });
  await page.goto(settings("members"));
  await button(/permissions of viewer/).click();
  await expectFits(page);
  await button("New role").scrollIntoViewIfNeeded();
  await screenshot(page, "phone-roles");
  await button("New role").click();
  await dialog().getByLabel("Inherits from").selectOption("viewer");
  await button("Select permissions…").click();
  await expectFits(page);
  await screenshot(page, "phone-role-editor");
  await button("Cancel").click();
  await page.goto(settings("general"));
  await button("Archive organization…").scrollIntoViewIfNeeded();
  await expectFits(page);
  await screenshot(page, "phone-danger-zone");
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(consoleMessages).toEqual([]);
});

test("1 200 members are counted, sorted and searched across pages", async () => {
  const organization = await makeOrganization(ada);
  await insertMembers(app, organization.id, 1199);
  await page.goto(`${app.url}/organizations/${organization.id}/settings?tab=members&sort=-name`);
  await page.getByText("Crowd 1199", { exact: true }).waitFor();
  await page.getByLabel("Search members").fill("crowd-1@example.com");
  await page.getByText(/^1 of 1\D?200 members$/).waitFor();
  await page.getByText("Crowd 1", { exact: true }).waitFor();
});

test("two hundred organizations are searched, and every page follows a switch", async () => {
  const make = (number: number) =>
    ada.api.organizations.create({ body: { name: `Team ${number}`, slug: `squad-${number}` } });
  for (let number = 1; number <= 204; number += 4) {
    await Promise.all([0, 1, 2, 3].map((more) => make(number + more)));
  }
  await page.goto(`${app.url}/organizations?sort=-name`);
  await page.getByRole("link", { name: "View Team 204" }).waitFor();
  await page.getByText(/^Page 1 of \d+$/).waitFor();
  await button("Next").click();
  await page.waitForURL(/page=2/);
  await page.getByRole("link", { name: "View Team 180" }).waitFor();
  await page.goto(`${app.url}/organizations`);
  await page.getByText(/^Page 1 of \d+$/).waitFor();
  await page.keyboard.press("/");
  expect(await focused()).toBe("Search organizations");
  await page.keyboard.type("TEAM 20");
  await page.getByText(/^7 of \d+ organizations$/).waitFor();
  await page.waitForURL(/\/organizations\?q=TEAM(\+|%20)20$/);
  await page.getByLabel("Search organizations").fill("squad-204");
  await page.getByText(/^1 of \d+ organizations$/).waitFor();
  await page.waitForURL(/q=squad-204$/);
  await page.reload();
  await page.getByText(/^1 of \d+ organizations$/).waitFor();
  await page.getByLabel("Show archived").check();
  await page.waitForURL(/archived=true/);
  await page.getByText(/^1 of \d+ organizations$/).waitFor();
  expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({
    archived: "true",
    q: "squad-204",
  });
  await expectAccessibleInBothSchemes(page);
  await screenshot(page, "organizations-search");
  await page.getByLabel("Search organizations").fill("no such");
  await page.getByText("No organization found").waitFor();
  await expectAccessibleInBothSchemes(page);
  await button("Clear search").click();
  await page.getByText(/^Page 1 of \d+$/).waitFor();

  await button("Switch Organization").click();
  await page.getByRole("combobox", { name: "Switch organization" }).fill("Team 204");
  await page.getByRole("option", { name: /^Team 204/ }).click();
  await page.getByText("Switched to Team 204").waitFor();
  const main = page.getByRole("main");
  for (const [link, text] of [
    ["Projects", "Git repositories of Team 204"],
    ["Agents", "Working for Team 204"],
  ] as const) {
    await page.getByRole("link", { name: link, exact: true }).click();
    await main.getByText(text).waitFor();
  }
  await page.goto(`${app.url}/settings/api-keys/new`);
  const chosen = main.getByRole("combobox", { name: "Organization" });
  await expect
    .poll(() => chosen.evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.text))
    .toBe("squad-204");
  expect(consoleMessages).toEqual([]);
});
