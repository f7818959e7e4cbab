// Thorough: each role on every page.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, signedInPage } from "./support/browser.js";
import { makeRoles, type Roles, walkAs } from "./support/roles.js";

let app: TestApp;
let browser: Browser;
let roles: Roles;

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  roles = await makeRoles(app);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

test.each([
  { role: "owner", mayManage: true, mayWork: true },
  { role: "member", mayManage: false, mayWork: true },
  { role: "viewer", mayManage: false, mayWork: false },
])("as $role, every page of the flows offers the role's actions", async (role) => {
  await walkAs(role, browser, app, roles, expectAccessible);
});

test("a changed role and a removed member are undone from the toast", async () => {
  const owner = roles.people["owner"] as TestPerson;
  const { orgId } = roles;
  const page = await signedInPage(browser, app, owner);
  const roleOf = async (name: string): Promise<string | undefined> =>
    (await owner.api.members.list({ params: { org_id: orgId } })).data.find(
      ({ display_name }) => display_name === name,
    )?.role_name;
  await page.goto(`${app.url}/organizations/${orgId}/settings?tab=members`);
  await page.getByLabel("Role of member").selectOption({ label: "viewer" });
  await page.getByText("member is now viewer").waitFor();
  expect(await roleOf("member")).toBe("viewer");
  // A toast stays while it is hovered.
  await page.getByText("member is now viewer").hover();
  await expectAccessible(page, "a toast with Undo");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Undone").waitFor();
  expect(await roleOf("member")).toBe("member");

  await page.getByRole("button", { name: "Remove viewer" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByText("viewer was removed").waitFor();
  expect(await roleOf("viewer")).toBeUndefined();
  // The button is last in the document; a shortcut moves the focus to it and back.
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  const before = page.locator("select:focus");
  await before.waitFor();
  await page.keyboard.press("F8");
  const undo = page.getByRole("button", { name: "Undo" }).and(page.locator(":focus"));
  await undo.waitFor();
  await page.keyboard.press("Escape");
  await before.waitFor();
  await page.keyboard.press("F8");
  await undo.waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove viewer" }).waitFor();
  expect(await roleOf("viewer")).toBe("viewer");
  await page.context().close();
});
