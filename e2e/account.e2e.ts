/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { mailsTo, mailedToken, waitForMailQueue } from "#test/support/mail/outbox.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, newPage, screenshot, watchConsole } from "./support/browser.js";

const email = "ada@example.com";
const passwords = ["correct staple horse", "another staple horse", "a third staple horse"] as const;

let app: TestApp;
let browser: Browser;
let page: Page;
let consoleMessages: string[];

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  page = await newPage(browser);
  consoleMessages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const link = (name: string) => page.getByRole("link", { name, exact: true });
const field = (label: string) => page.getByLabel(label, { exact: true });
const heading = (name: string) => page.getByRole("heading", { name, exact: true });

/** Checks the page by axe in all views. */
async function look(name: string): Promise<void> {
  await expectAccessibleInBothSchemes(page, name);
  await screenshot(page, `${name}-light`);
  await page.setViewportSize({ width: 320, height: 844 });
  await expectFits(page, name);
  await screenshot(page, `phone-${name}`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

/** Fails on console messages other than the expected error responses. */
function expectQuietConsole(...expected: string[]): void {
  const isExpected = (message: string): boolean => expected.some((text) => message.includes(text));
  expect(consoleMessages.filter((message) => !isExpected(message))).toEqual([]);
  consoleMessages.length = 0;
}

const focused = (): Promise<string | null> =>
  page.evaluate(() => document.activeElement?.textContent ?? null);

test("an account from registration to a changed password", async () => {
  await page.goto(`${app.url}/register`);
  await field("Email address").fill(email);
  await field("Password").fill(passwords[0]);
  await button("Show the password").click();
  expect(await field("Password").getAttribute("type")).toBe("text");
  await look("register");
  await button("Create administrator account").click();
  await page.waitForURL(/\/welcome$/);
  await page.goto(`${app.url}/organizations`);

  // The reminder is on every page until the address is confirmed or the reminder dismissed.
  const reminder = page.getByRole("region", { name: "Reminder" });
  await reminder.getByText(/The email with the link is a file in the outbox folder/).waitFor();
  await look("reminder");
  await reminder.getByRole("button", { name: "Create new link" }).click();
  await page
    .locator("[data-toast]")
    .getByText(/outbox folder/)
    .waitFor();
  const token = await mailedToken(app, email, "verify-email", 2);
  await button("Hide this reminder").click();
  await reminder.waitFor({ state: "hidden" });
  await page.reload();
  await heading("Organizations").waitFor();
  expect(await reminder.count()).toBe(0);

  await button(/^Profile of/).click();
  await page.getByRole("menuitem", { name: "Profile" }).click();
  await page.waitForURL(/\/settings\/profile$/);
  await page.getByText("Not confirmed").waitFor();
  await field("Full name (optional)").fill("Ada Lovelace");
  await field("Department (optional)").fill("Engines");
  await button("Save profile").click();
  await page.getByText("Profile saved").waitFor();
  await button("Profile of Ada Lovelace").waitFor();
  await look("profile");

  // The token leaves the address bar; opening the link changes nothing, the button confirms.
  await page.goto(`${app.url}/verify-email?token=${token}`);
  await page.waitForURL(`${app.url}/verify-email`);
  await look("verify-email");
  expect(await page.evaluate(() => history.length)).toBeLessThan(10);
  await button("Confirm email address").click();
  await page.getByText("Your email address is confirmed.").waitFor();
  await expect.poll(focused).toContain("is confirmed");
  await look("verified");
  await link("Continue").click();
  await page.waitForURL(/\/organizations$/);
  await page.goto(`${app.url}/settings/profile`);
  await page.getByText(/●\s*Confirmed/).waitFor();
  expect(await button("Create new link").count()).toBe(0);
  expectQuietConsole("401 (Unauthorized)");

  // A used link shows an error and how to get a new one.
  await page.goto(`${app.url}/verify-email?token=${token}`);
  await button("I made this account").click();
  await page.getByRole("alert").getByText("request a new link").waitFor();
  await look("verify-email-again");
  expectQuietConsole("400 (Bad Request)");

  // A forgotten password, from the sign-in page.
  await page.goto(`${app.url}/login`);
  await look("login");
  await link("Forgot password?").click();
  await heading("Reset your password").waitFor();
  await field("Email address").fill("ada");
  await button("Create link").click();
  await page.getByText("Must be an email address").waitFor();
  await field("Email address").fill(email);
  await look("forgot-password");
  await button("Create link").click();
  await heading("The link is ready").waitFor();
  await expect.poll(focused).toContain(email);
  await look("forgot-password-sent");
  const resetToken = await mailedToken(app, email, "reset-password");

  await page.goto(`${app.url}/reset-password?token=${resetToken}`);
  await page.waitForURL(`${app.url}/reset-password`);
  await field("New password").fill("password123");
  await button("Save password").click();
  await page.getByText("Is a commonly used password").waitFor();
  await look("reset-password");
  expectQuietConsole("422");
  await field("New password").fill(passwords[1]);
  await button("Save password").click();
  await page.waitForURL(/\/login/);
  await page.getByText("Your password is changed").waitFor();
  expectQuietConsole();
  await page.goto(`${app.url}/reset-password?token=${resetToken}`);
  await field("New password").fill(passwords[1]);
  await button("Save password").click();
  await link("Ask for a new link").waitFor();
  await look("reset-password-used");
  expectQuietConsole("400 (Bad Request)");

  await page.goto(`${app.url}/settings/security`);
  await page.waitForURL(/\/login/);
  await field("Email address").fill(email);
  await field("Password").fill(passwords[1]);
  await button("Sign in").click();
  await page.waitForURL(/\/settings\/security$/);
  expectQuietConsole("401 (Unauthorized)");
});

test("changing the password ends other sessions", async () => {
  const elsewhere = async (password: string) => {
    const { data } = await app.client().auth.login({ body: { email, password } });
    return app.client(data.access_token);
  };
  const first = await elsewhere(passwords[1]);
  await page.goto(`${app.url}/settings/security`);
  const sessions = page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
  await sessions.nth(1).waitFor();

  await field("Current password").fill("not the password");
  await field("New password").fill(passwords[2]);
  await button("Change password").click();
  await page.getByText("Is not your password").waitFor();
  await expect
    .poll(() => field("Current password").evaluate((input) => input === document.activeElement))
    .toBe(true);
  await look("security");
  expectQuietConsole("422");
  await field("Current password").fill(passwords[1]);
  // The reset has sent one, too.
  await waitForMailQueue(app);
  const { length: before } = await mailsTo(app, email);
  await button("Change password").click();
  await page.getByText("Password changed").waitFor();
  await sessions.nth(1).waitFor({ state: "detached" });
  await expect(first.auth.me()).rejects.toMatchObject({ status: 401 });
  expect(await field("Current password").inputValue()).toBe("");
  await expect
    .poll(async () => (await mailsTo(app, email)).slice(before).map(({ subject }) => subject))
    .toContainEqual(expect.stringMatching(/^Your password was changed/));
  expect(await button("Sign out everywhere else").getAttribute("title")).toBe(
    "You are signed in nowhere else.",
  );

  const others = [await elsewhere(passwords[2]), await elsewhere(passwords[2])];
  await page.reload();
  await sessions.nth(2).waitFor();
  await sessions.filter({ hasText: "This device" }).getByText("Chrome on Linux").waitFor();
  await look("sessions");
  await button("Sign out of node").first().click();
  await page.getByText("Signed out of node").waitFor();
  await sessions.nth(2).waitFor({ state: "detached" });
  await expect.poll(focused).toBe("Sign out");

  await button("Sign out everywhere else").click();
  await page.getByRole("dialog").getByText("1 other session ends at once").waitFor();
  await look("sign-out-everywhere");
  await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Signed out everywhere else").waitFor();
  for (const other of others) {
    await expect(other.auth.me()).rejects.toMatchObject({ status: 401 });
  }
  await sessions.filter({ hasText: "This device" }).waitFor();
  expectQuietConsole();
});
