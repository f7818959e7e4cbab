// Thorough: both answers to a link that another person may have opened.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { mailedToken } from "#test/support/mail/outbox.js";
import { expectAccessibleInBothSchemes } from "./support/accessible.js";
import { launchBrowser, newPage, signedInPage } from "./support/browser.js";

let app: TestApp;
let browser: Browser;

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

test("a verification link opened outside its account's session asks whose the account is", async () => {
  for (const isOwn of [true, false]) {
    const person = await app.person();
    const token = await mailedToken(app, person.email, "verify-email");
    const other = await newPage(browser);
    await other.goto(`${app.url}/verify-email?token=${token}`);
    await other.getByText("Did you make the account with this address?").waitFor();
    // Opening the link answers nothing.
    expect((await person.api.auth.me()).data.is_verified).toBe(false);
    if (isOwn) await expectAccessibleInBothSchemes(other, "verify-email-elsewhere");
    await other.getByRole("button", { name: isOwn ? "I made this account" : "I did not" }).click();
    await other.getByText("Your email address is confirmed.").waitFor();
    await expectAccessibleInBothSchemes(other, isOwn ? "verified-kept" : "verified-elsewhere");
    if (isOwn) expect((await person.api.auth.me()).data.is_verified).toBe(true);
    else {
      await other.getByText("Every session, API key, passkey").waitFor();
      const next = other.getByRole("link", { name: "Choose a new password" });
      expect(await next.getAttribute("href")).toBe("/forgot-password");
      await expect(person.api.auth.me()).rejects.toMatchObject({ status: 401 });
    }
    await other.close();
  }
});

test("a verification link opened in another unconfirmed account's session asks, too", async () => {
  const [person, other] = [await app.person(), await app.person()];
  const token = await mailedToken(app, person.email, "verify-email");
  const page = await signedInPage(browser, app, other);
  await page.goto(`${app.url}/verify-email?token=${token}`);
  await page.getByRole("button", { name: "Confirm email address" }).click();
  await page.getByText("The link belongs to another account").waitFor();
  await expectAccessibleInBothSchemes(page, "verify-email-of-another");
  await page.getByRole("button", { name: "I made this account" }).click();
  await page.getByText("Your email address is confirmed.").waitFor();
  expect((await person.api.auth.me()).data.is_verified).toBe(true);
  expect((await other.api.auth.me()).data.is_verified).toBe(false);
});
