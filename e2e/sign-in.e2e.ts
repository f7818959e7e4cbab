/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { totpCode } from "#test/support/auth/totp-code.js";
import { IdentityProvider } from "#test/support/auth/identity-provider.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import {
  launchBrowser,
  newPage,
  screenshot,
  signedInPage,
  watchConsole,
} from "./support/browser.js";

const idp = new IdentityProvider();
let app: TestApp;
/** Passkeys are bound to a domain name; 127.0.0.1 is not one. */
let site: string;
let browser: Browser;
let page: Page;
let consoleMessages: string[];
let ada: TestPerson;
let secret: string;
let recoveryCodes: string[];

beforeAll(async () => {
  await idp.start();
  app = await startTestApp(idp.env);
  site = app.url.replace("127.0.0.1", "localhost");
  ada = await app.person("Ada-Lovelace");
  browser = await launchBrowser();
  page = await newPage(browser);
  consoleMessages = watchConsole(page);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
});
afterAll(async () => {
  await browser.close();
  await app.close();
  await idp.stop();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });
const dialog = () => page.getByRole("dialog");
const codeOfApp = () => page.getByLabel("Code that the app shows");
const codeField = () => page.getByLabel("Code", { exact: true });

/** Checks the page by axe (WCAG 2.2 AA). */
async function look(name: string): Promise<void> {
  for (const [colorScheme, width] of [
    ["dark", 320],
    ["light", 1440],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await expectAccessible(page, `${name}, ${width}`);
    await expectFits(page, `${name}, ${width}`);
    await screenshot(page, `${name}-${width}`);
  }
}

async function givePassword(): Promise<void> {
  await page.goto(`${site}/login?redirect=/settings/security`);
  await page.getByLabel("Email address").fill(ada.email);
  await page.getByLabel("Password", { exact: true }).fill(ada.password);
  await button("Sign in").click();
}

async function signOut(): Promise<void> {
  await button(/^Profile/).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL(/\/login/);
}

const security = () => page.waitForURL(/\/settings\/security$/);

test("a passkey is added, renamed and used to sign in", async () => {
  await givePassword();
  await security();
  consoleMessages.length = 0;
  await page.getByText("You have no passkeys yet.").waitFor();
  await look("security");
  await button("Add passkey").click();
  await dialog().getByRole("button", { name: "Continue" }).click();
  await dialog().getByText("Must not be empty").waitFor();
  await dialog().getByRole("textbox").fill("My laptop");
  await look("passkey-name");
  await dialog().getByRole("button", { name: "Continue" }).click();
  const list = page.getByRole("list", { name: "Passkeys" });
  await list.getByText("My laptop").waitFor();
  await list.getByText("Never used").waitFor();
  await button("Rename My laptop").click();
  await dialog().getByRole("textbox").fill("Work laptop");
  await dialog().getByRole("button", { name: "Save" }).click();
  await list.getByText("Work laptop").waitFor();
  await dialog().waitFor({ state: "hidden" });

  // The authenticator already has a passkey for this account.
  await button("Add passkey").click();
  await dialog().getByRole("textbox").fill("Again");
  await dialog().getByRole("button", { name: "Continue" }).click();
  await dialog().getByRole("alert").getByText("on that device already").waitFor();
  await page.keyboard.press("Escape");
  await button("Discard changes").click();
  await look("passkeys");
  expect(consoleMessages).toEqual([]);

  await signOut();
  await look("login");
  await button("Sign in with a passkey").click();
  await page.waitForURL(`${site}/`);
  await page.goto(`${site}/settings/security`);
  await list.getByText("Last used").waitFor();
});

test("an authenticator app is set up, and its code completes a sign-in", async () => {
  await button("Set up").click();
  const svg = page.getByRole("img", { name: "QR code of the secret" });
  await svg.waitFor();
  await expect
    .poll(() => codeOfApp().evaluate((input) => input === document.activeElement))
    .toBe(true);
  expect(await codeOfApp().getAttribute("autocomplete")).toBe("one-time-code");
  expect(await codeOfApp().getAttribute("inputmode")).toBe("numeric");
  await look("totp-setup");
  await codeOfApp().fill("000000");
  await button("Switch on").click();
  await page.getByText("Is wrong or was already used").waitFor();
  secret = (
    (await page.getByText(/^[A-Z2-7]{4}( [A-Z2-7]{4}){7}$/).textContent()) ?? ""
  ).replaceAll(" ", "");
  await codeOfApp().fill(totpCode(secret));
  await codeOfApp().press("Enter");
  const list = page.getByRole("list", { name: "Recovery codes" });
  await list.waitFor();
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.textContent))
    .toBe("Your recovery codes");
  recoveryCodes = await list.getByRole("listitem").allTextContents();
  expect(recoveryCodes).toHaveLength(10);
  await look("recovery-codes");
  const downloading = page.waitForEvent("download");
  await button("Download").click();
  expect((await downloading).suggestedFilename()).toBe("omoi-recovery-codes.txt");
  await button("I have saved them").click();
  await page.getByText("10 of 10 left").waitFor();
  await look("totp-on");

  await signOut();
  await givePassword();
  await page.getByRole("heading", { name: "Second factor" }).waitFor();
  expect(await codeField().evaluate((input) => input === document.activeElement)).toBe(true);
  expect(await codeField().getAttribute("autocomplete")).toBe("one-time-code");
  expect(await codeField().getAttribute("inputmode")).toBe("numeric");
  await codeField().fill("000000");
  await button("Continue").click();
  await page.getByText("The code is wrong or was already used").waitFor();
  await look("second-step");
  await codeField().fill(totpCode(secret, 1));
  await button("Continue").click();
  await security();
});
test("a recovery code works once, and the authenticator app is turned off", async () => {
  await signOut();
  await givePassword();
  await button("Use a recovery code").click();
  await page
    .getByLabel("Recovery code", { exact: true })
    .fill(recoveryCodes[0]?.toUpperCase() ?? "");
  await look("recovery-step");
  await button("Continue").click();
  await security();
  await page.getByText("9 of 10 left").waitFor();

  await button("New recovery codes").click();
  await page.getByRole("list", { name: "Recovery codes" }).waitFor();
  await button("I have saved them").click();
  await page.getByText("10 of 10 left").waitFor();
  await button("Switch off").click();
  await dialog().getByLabel("Password").fill("not the password");
  await look("switch-off");
  await dialog().getByRole("button", { name: "Switch off" }).click();
  await dialog().getByText("Is not your password").waitFor();
  await dialog().getByLabel("Password").fill(ada.password);
  await dialog().getByRole("button", { name: "Switch off" }).click();
  await button("Set up").waitFor();
});

test("at an IP address the pages say why passkeys are unavailable, and the provider signs in", async () => {
  idp.person = { sub: "grace", email: "grace@example.com", email_verified: true, name: "Grace" };
  idp.deviations = { refuse: "access_denied" };
  await page.goto(`${app.url}/login?redirect=/settings/security`);
  const provider = page.getByRole("link", { name: "Continue with Acme ID" });
  await provider.click();
  await page.getByRole("alert").getByText("The sign-in was canceled").waitFor();
  expect(await button("Sign in with a passkey").getAttribute("title")).toContain(
    "Open http://localhost:",
  );
  await look("login-canceled");
  idp.deviations = {};
  await provider.click();
  await security();
  await page.getByText("Passkeys are bound to a domain name").waitFor();
  const identities = page.getByRole("list", { name: "Linked identities" });
  await identities.getByText(idp.issuer).waitFor();
  await button("Unlink").click();
  await page.getByText("This is your last sign-in method").waitFor();
  await look("security-provider");
});

test("a user with a password links and unlinks the provider", async () => {
  await signOut();
  idp.person = { sub: "ada" };
  // Only an account with a confirmed address is linked.
  await queryAsOwner(app, "update users set is_verified = true where id = $1", [ada.id]);
  await page.goto(`${app.url}/login?redirect=/settings/security`);
  await page.getByLabel("Email address").fill(ada.email);
  await page.getByLabel("Password", { exact: true }).fill(ada.password);
  await button("Sign in").click();
  await security();
  await button("Link Acme ID").click();
  await page.getByRole("list", { name: "Linked identities" }).waitFor();
  await button("Unlink").click();
  await button("Link Acme ID").waitFor();
  idp.person = { sub: "grace" };
  await button("Link Acme ID").click();
  await page.getByRole("alert").getByText("linked to another account").waitFor();
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
