import type { Page } from "playwright-core";
import type { TestPerson } from "#test/support/server/app.js";

/** Signs in by a password, up to a second factor. */
export async function givePassword(page: Page, site: string, person: TestPerson): Promise<void> {
  await page.goto(`${site}/login?redirect=/settings/security`);
  await page.getByLabel("Email address").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

export async function signOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: /^Profile/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL(/\/login/);
}
