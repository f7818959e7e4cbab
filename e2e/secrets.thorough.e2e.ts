import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** The secrets of an organization and a project, through the pages. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let viewer: TestPerson;
let page: Page;
let messages: string[];
let org: Organization;
let project: Project;

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  viewer = await app.person("Grace");
  org = await makeOrganization(owner);
  const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: org.id }, body });
  project = await makeProject(owner, org.id);
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
const field = (name: string) => page.getByRole("dialog").getByLabel(name, { exact: true });
const table = () => page.getByRole("table", { name: "Secrets", exact: true });
const dialog = (name: string) => page.getByRole("dialog", { name, exact: true });

test("an owner sets, replaces and deletes a secret of the organization", async () => {
  await page.goto(`${app.url}/organizations/${org.id}/settings`);
  await page.getByText("No secrets yet.").waitFor();
  await button("New secret").click();
  await field("Name").fill("npm-token");
  await page.getByText("Must be 1–64 of A-Z, 0-9 and _").waitFor();
  await field("Name").fill("GIT_TOKEN");
  await field("Value").fill("abc");
  await page.getByText("Values of fewer than 6 characters are not masked in logs.").waitFor();
  await button("Save").click();
  await page.getByText("Must not be GIT_TOKEN").waitFor();
  await field("Name").fill("NPM_TOKEN");
  await field("Value").fill("npm_of-the-team\nsecond line");
  expect(await field("Value").evaluate((area) => getComputedStyle(area))).toMatchObject({
    webkitTextSecurity: "disc",
  });
  await expectAccessible(page);
  await screenshot(page, "secret-dialog");
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, "secret-dialog-390");
  await page.setViewportSize({ width: 1440, height: 900 });
  await field("Show the value").check();
  expect(await field("Value").evaluate((area) => getComputedStyle(area))).toMatchObject({
    webkitTextSecurity: "none",
  });
  await button("Save").click();
  await table().getByText("NPM_TOKEN").waitFor();
  await table().getByText("Ada").waitFor();
  await button("Replace NPM_TOKEN").click();
  await field("Value").fill("another-value");
  await button("Save", dialog("Replace NPM_TOKEN")).click();
  await dialog("Replace NPM_TOKEN").waitFor({ state: "detached" });
  await expectAccessible(page);
  await screenshot(page, "organization-secrets");
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, "organization-secrets-390");
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(await page.content()).not.toContain("another-value");
  const { data } = await owner.api.organizationSecrets.list({ params: { org_id: org.id } });
  expect(data).toMatchObject([{ name: "NPM_TOKEN" }]);
  expect(data[0]?.updated_at).not.toBe(data[0]?.created_at);
  await button("Delete NPM_TOKEN").click();
  await button("Delete", dialog("Delete the secret NPM_TOKEN?")).click();
  await page.getByText("No secrets yet.").waitFor();
  expect(messages.filter((text) => !text.includes("422"))).toEqual([]);
});

test("a project has secrets of its own, and a change by another person is shown", async () => {
  await page.goto(`${app.url}/projects/${project.id}/settings`);
  await button("New secret").click();
  await field("Name").fill("DATABASE_URL");
  await field("Value").fill("postgres://localhost/app");
  await button("Save").click();
  await table().getByText("DATABASE_URL").waitFor();
  const { data } = await owner.api.projectSecrets.list({ params: { project_id: project.id } });
  expect(data.map(({ name }) => name)).toEqual(["DATABASE_URL"]);
  await owner.api.projectSecrets.set({
    params: { project_id: project.id, name: "FROM_ELSEWHERE" },
    body: { value: "value", kind: "variable" },
  });
  await table().getByText("FROM_ELSEWHERE").waitFor();
  await screenshot(page, "project-secrets");
  await page.setViewportSize({ width: 390, height: 844 });
  await table().scrollIntoViewIfNeeded();
  await screenshot(page, "project-secrets-390");
  await page.setViewportSize({ width: 1440, height: 900 });
});

test("a viewer sees no secrets", async () => {
  const other = await signedInPage(browser, app, viewer);
  await other.goto(`${app.url}/organizations/${org.id}/settings`);
  await other.getByRole("heading", { name: "Danger zone" }).waitFor();
  expect(await other.getByRole("heading", { name: "Secrets" }).count()).toBe(0);
  await other.goto(`${app.url}/projects/${project.id}/settings`);
  await other.getByRole("heading", { name: "Merge drivers", exact: true }).waitFor();
  expect(await other.getByRole("heading", { name: "Secrets" }).count()).toBe(0);
  await other.close();
});
