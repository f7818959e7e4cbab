/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { totpCode } from "#test/support/auth/totp-code.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, look, newPage, screenshot, signedInPage } from "./support/browser.js";
import { givePassword, signOut } from "./support/sign-in.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let ada: TestPerson;

beforeAll(async () => {
  app = await startTestApp();
  ada = await app.person("Ada-Lovelace");
  browser = await launchBrowser();
  page = await newPage(browser);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const codeOfApp = () => page.getByLabel("Code that the app shows");
const codeField = () => page.getByLabel("Code", { exact: true });

const security = () => page.waitForURL(/\/settings\/security$/);

test("an authenticator app is set up, and its code completes a sign-in", async () => {
  await givePassword(page, app.url, ada);
  await security();
  await button("Set up").click();
  const svg = page.getByRole("img", { name: "QR code of the secret" });
  await svg.waitFor();
  await expect
    .poll(() => codeOfApp().evaluate((input) => input === document.activeElement))
    .toBe(true);
  expect(await codeOfApp().getAttribute("autocomplete")).toBe("one-time-code");
  expect(await codeOfApp().getAttribute("inputmode")).toBe("numeric");
  await look(page, "totp-setup");
  await codeOfApp().fill("000000");
  await button("Switch on").click();
  await page.getByText("Is wrong or was already used").waitFor();
  const secret = (
    (await page.getByText(/^[A-Z2-7]{4}( [A-Z2-7]{4}){7}$/).textContent()) ?? ""
  ).replaceAll(" ", "");
  await codeOfApp().fill(totpCode(secret));
  await codeOfApp().press("Enter");
  const list = page.getByRole("list", { name: "Recovery codes" });
  await list.waitFor();
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.textContent))
    .toBe("Your recovery codes");
  const recoveryCodes = await list.getByRole("listitem").allTextContents();
  expect(recoveryCodes).toHaveLength(10);
  await look(page, "recovery-codes");
  const downloading = page.waitForEvent("download");
  await button("Download").click();
  expect((await downloading).suggestedFilename()).toBe("omoi-recovery-codes.txt");
  await button("I have saved them").click();
  await page.getByText("10 of 10 left").waitFor();
  await look(page, "totp-on");

  await signOut(page);
  await givePassword(page, app.url, ada);
  await page.getByRole("heading", { name: "Second factor" }).waitFor();
  expect(await codeField().evaluate((input) => input === document.activeElement)).toBe(true);
  expect(await codeField().getAttribute("autocomplete")).toBe("one-time-code");
  expect(await codeField().getAttribute("inputmode")).toBe("numeric");
  await codeField().fill("000000");
  await button("Continue").click();
  await page.getByText("The code is wrong or was already used").waitFor();
  await look(page, "second-step");
  await codeField().fill(totpCode(secret, 1));
  await button("Continue").click();
  await security();
});

test("an ended session says so, and signing in returns to the page", async () => {
  const eve = await app.person("Eve");
  const own = await signedInPage(browser, app, eve);
  await own.goto(`${app.url}/settings/profile`);
  await own.getByRole("heading", { level: 1 }).waitFor();
  await queryAsOwner(app, "update sessions set expires_at = now() where user_id = $1", [eve.id]);
  await own.reload();
  await own.getByText("Your session has ended. Sign in to return to your page.").waitFor();
  await expectAccessible(own, "an ended session");
  await screenshot(own, "ended-session");
  await own.getByLabel("Email address").fill(eve.email);
  await own.getByLabel("Password", { exact: true }).fill(eve.password);
  await own.getByRole("button", { name: "Sign in", exact: true }).click();
  await own.waitForURL(`${app.url}/settings/profile`);
  await own.context().close();
});
