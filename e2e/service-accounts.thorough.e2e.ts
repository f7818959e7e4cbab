import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiError } from "#shared/contract/client.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** The service accounts of an organization, through its pages. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let viewer: TestPerson;
let page: Page;
let messages: string[];
let org: Organization;
/** The key that the page has shown last. */
let key = "";

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  viewer = await app.person("Grace");
  org = await makeOrganization(owner);
  const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: org.id }, body });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const dialog = (name: string) => page.getByRole("dialog", { name, exact: true });
const statusOf = (token: string): Promise<number> =>
  app
    .client(token)
    .projects.list({})
    .then(
      ({ status }) => status,
      (error: unknown) => (error instanceof ApiError ? error.status : 0),
    );

/** Takes pictures in both widths and both color schemes. */
async function pictures(name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [390, 1440]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await expectAccessible(page);
      await expectFits(page, name);
      await screenshot(page, `${name}-${colorScheme}-${width}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
}

test("an owner creates a service account and a key, which is shown once", async () => {
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=service-accounts`);
  await page.getByText("No service accounts yet.").waitFor();
  await button("New service account").click();
  const form = dialog("New service account");
  await button("Create service account", form).click();
  await form.getByLabel("Name", { exact: true }).and(page.locator("[aria-invalid]")).waitFor();
  await form.getByLabel("Name", { exact: true }).fill("ci");
  await form.getByLabel("Description").fill("Builds of the main branch");
  await pictures("service-account-dialog");
  await button("Create service account", form).click();

  const keys = dialog("Keys of ci");
  await keys.getByText("No keys yet.").waitFor();
  await button("New key", keys).click();
  const keyForm = dialog("New key");
  await keyForm.getByLabel("Name", { exact: true }).fill("GitHub Actions");
  await keyForm.getByLabel("Chosen permissions").check();
  await button("Create key", keyForm).click();
  await keyForm.getByText("choose at least one permission", { exact: false }).first().waitFor();
  await button("Select permissions…", keyForm).click();
  await keyForm.getByLabel("See projects").check();
  await pictures("service-account-new-key");
  await button("Create key", keyForm).click();
  key = (await dialog("Key created").getByTestId("secret").textContent()) ?? "";
  expect(key).toMatch(/^sk_live_/);
  await pictures("service-account-key");
  expect(await statusOf(key)).toBe(200);
  await button("Done").click();
  await keys.getByText(`org:${org.slug}:project:read`).waitFor();
  await pictures("service-account-keys");
  await button("Rotate GitHub Actions", keys).click();
  await button("Rotate key").click();
  const rotated = (await dialog("Key rotated").getByTestId("secret").textContent()) ?? "";
  expect(rotated).not.toBe(key);
  key = rotated;
  await button("Done").click();
  await keys.getByText("Rotated, still works").waitFor();
  await button("Done", keys).click();
  await page.getByText("member · 2 active keys", { exact: false }).waitFor();
});

test("it is renamed, deactivated and reactivated", async () => {
  await button("Edit ci").click();
  const form = dialog("Edit service account");
  await form.getByLabel("Name", { exact: true }).fill("builds");
  await form.getByLabel("Role", { exact: true }).selectOption("admin");
  await button("Save", form).click();
  await page.getByText("The service account is changed").first().waitFor();
  await button("Deactivate builds").click();
  const confirm = dialog("Deactivate builds?");
  await button("Deactivate", confirm).click();
  await page.getByText("●Deactivated").waitFor();
  expect(await statusOf(key)).toBe(401);
  await pictures("service-accounts");
  await button("Reactivate builds").click();
  await page.getByText("●Active").waitFor();
  expect(await statusOf(key)).toBe(200);
});

test("members and the audit log show it as a service account", async () => {
  const { data } = await owner.api.serviceAccounts.list({ params: { org_id: org.id } });
  const created = await owner.api.serviceAccounts.createKey({
    params: { org_id: org.id, service_account_id: data[0]?.id ?? "" },
    body: { name: "deploy" },
  });
  const project = await makeProject({ api: app.client(created.data.key as string) }, org.id);
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=members`);
  const row = page.getByRole("row").filter({ hasText: "builds" }).first();
  await row.getByText("Service account").waitFor();
  const remove = button("Remove builds", row);
  expect(await remove.getAttribute("aria-disabled")).toBe("true");
  await pictures("service-account-member");
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=audit`);
  const event = page.getByRole("row").filter({ hasText: project.name });
  await event.getByText("Service account").first().waitFor();
});

test("it is deleted with its keys", async () => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${app.url}/organizations/${org.id}/settings?tab=service-accounts`);
  await button("Delete builds").click();
  const confirm = dialog("Delete builds?");
  await button("Delete", confirm).click();
  await page.getByText("No service accounts yet.").waitFor();
  expect(await statusOf(key)).toBe(401);
  expect(messages).toEqual([]);
});

test("a viewer learns which permission is missing", async () => {
  const theirs = await signedInPage(browser, app, viewer);
  await theirs.goto(`${app.url}/organizations/${org.id}/settings?tab=service-accounts`);
  await theirs.getByText("org:service-accounts:read").first().waitFor();
});
