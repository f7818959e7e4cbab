import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import {
  type BusyOrganization,
  makeBusyOrganization,
  setSession,
} from "./support/busy-organization.js";

/** The team lead's first page. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let busy: BusyOrganization;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  busy = await makeBusyOrganization(app, owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const list = (name: string, on = page) => on.getByRole("list", { name, exact: true });
const row = (text: string | RegExp, on = page) =>
  list("Needs you", on).getByRole("listitem").filter({ hasText: text });

test("shows what needs a person, what runs and what was done today, on every screen", async () => {
  await page.goto(app.url);
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await row("Run failed with exit code 1").getByRole("button", { name: "Run again" }).waitFor();
  await row(/Conflict with worker-2 in src\/auth\/oauth\.py/).waitFor();
  await row("docker build").getByRole("button", { name: /^Deny/ }).waitFor();
  await list("Running").getByText("Applying 0042_sessions_uuid.sql (3 of 7)").waitFor();
  await list("Merges today").getByText("docs-writer").waitFor();
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `home-${width}-${colorScheme}`);
    }
    await expectFits(page, `home, ${width}`);
    await expectAccessibleInBothSchemes(page, `home, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
});

test("j and k move, e marks as done with a way back, Enter opens", async () => {
  await page.goto(app.url);
  await row("Run failed").waitFor();
  const focusedRow = () =>
    page.evaluate(`document.activeElement.closest("[data-row]")?.dataset.row ?? ""`);
  const first = await list("Needs you").getByRole("listitem").first().getAttribute("data-row");
  await page.keyboard.press("j");
  expect(await focusedRow()).toBe(first);
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  expect(await focusedRow()).toBe(first);
  const count = await list("Needs you").getByRole("listitem").count();
  await page.keyboard.press("e");
  await expect.poll(() => list("Needs you").getByRole("listitem").count()).toBe(count - 1);
  expect(await focusedRow()).not.toBe(first);
  expect(await focusedRow()).not.toBe("");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => list("Needs you").getByRole("listitem").count()).toBe(count);

  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("Mark the row as done").waitFor();
  await page.keyboard.press("Escape");
  // In the search, letters are text.
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search and commands" }).fill("je");
  await page.keyboard.press("Escape");
  expect(await list("Needs you").getByRole("listitem").count()).toBe(count);

  await row("Run failed").getByRole("link").first().focus();
  await page.keyboard.press("Enter");
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Run [0-9a-f]{8}$/)
    .waitFor();
  await page.goBack();
  await row("Run failed").waitFor();
});

test("a permission is answered in place, and leaves every other open page", async () => {
  const bob = await app.person("Bob");
  const body = { user_id: bob.id, role_id: systemRoleIds.admin };
  await owner.api.members.add({ params: { org_id: busy.orgId }, body });
  const other = await signedInPage(browser, app, bob);
  await other.goto(app.url);
  await row("docker build", other).waitFor();
  // The other page has not heard of the answer yet.
  await other.context().setOffline(true);
  await page.goto(app.url);
  await row("docker build")
    .getByRole("button", { name: /^Allow/ })
    .click();
  await row("docker build").waitFor({ state: "detached" });
  // As the program does with the answer.
  await setSession(app, busy.sessionId, "working");
  await other.context().setOffline(false);
  await row("docker build", other).waitFor({ state: "detached" });
  const { data } = await owner.api.overview.attention({ params: { org_id: busy.orgId } });
  expect(data.map(({ type }) => type)).not.toContain("permission_request");
  await other.close();
  // Another request appears without a reload.
  await queryAsOwner(app, "delete from agent_session_inputs where session_id = $1", [
    busy.sessionId,
  ]);
  await setSession(app, busy.sessionId, "waiting_for_permission");
  await row("docker build").waitFor();
});

test("a failed run is repeated in place, and moves to the running work", async () => {
  await page.goto(app.url);
  await row("Run failed").getByRole("button", { name: "Run again" }).click();
  await page.getByText("Run started").waitFor();
  await row("Run failed").waitFor();
});

test("a viewer sees everything, and why its actions are disabled", async () => {
  const vera = await app.person("Vera");
  const body = { user_id: vera.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: busy.orgId }, body });
  const other = await signedInPage(browser, app, vera);
  await other.goto(app.url);
  const again = row("Run failed", other).getByRole("button", { name: "Run again" });
  await expect.poll(() => again.getAttribute("aria-disabled")).toBe("true");
  await expect.poll(() => again.getAttribute("title")).toContain("agent:run");
  const allow = row("docker build", other).getByRole("button", { name: /^Allow/ });
  await expect.poll(() => allow.getAttribute("title")).toContain("agent:run");
  // Everyone has a list of their own.
  await row("Run failed", other).getByRole("button", { name: "Mark as done" }).click();
  await row("Run failed", other).waitFor({ state: "detached" });
  await page.goto(app.url);
  await row("Run failed").waitFor();
  await other.close();
});

test("follows the selected organization, from its first steps to all clear", async () => {
  const newcomer = await app.person("Nia");
  const other = await signedInPage(browser, app, newcomer);
  await other.goto(app.url);
  await other.getByText("You belong to no organization yet").waitFor();
  await screenshot(other, "home-none-1440-light");
  const { id } = await makeOrganization(newcomer);
  await other.reload();
  await other.getByText("Nothing needs you yet").waitFor();
  await other.getByRole("link", { name: "New project" }).waitFor();
  await screenshot(other, "home-new-1440-light");
  const project = await makeProject(newcomer, id);
  await newcomer.api.agents.create({ body: { project_id: project.id, name: "first" } });
  await other.getByText("All clear.").waitFor();
  await screenshot(other, "home-clear-1440-light");
  await owner.api.members.add({
    params: { org_id: busy.orgId },
    body: { user_id: newcomer.id, role_id: systemRoleIds.member },
  });
  await other.reload();
  await other.getByRole("button", { name: /^Current organization/ }).click();
  await other.getByRole("menuitemradio", { name: /Acme Corp/ }).click();
  await row("Run failed", other).waitFor();
  await other.close();
});

test("the console has no errors", () => {
  expect(messages).toEqual([]);
});
