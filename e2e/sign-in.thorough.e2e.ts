// Thorough: passkeys, recovery codes and a provider; an authenticator app is in the gate file.
/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { totpCode } from "#test/support/auth/totp-code.js";
import { IdentityProvider } from "#test/support/auth/identity-provider.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { launchBrowser, look, newPage, watchConsole } from "./support/browser.js";
import { givePassword, signOut } from "./support/sign-in.js";

const idp = new IdentityProvider();
let app: TestApp;
/** Passkeys are bound to a domain name; 127.0.0.1 is not one. */
let site: string;
let browser: Browser;
let page: Page;
let consoleMessages: string[];
let ada: TestPerson;

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

const security = () => page.waitForURL(/\/settings\/security$/);

test("a passkey is added, renamed and used to sign in", async () => {
  await givePassword(page, site, ada);
  await security();
  consoleMessages.length = 0;
  await page.getByText("You have no passkeys yet.").waitFor();
  await look(page, "security");
  await button("Add passkey").click();
  await dialog().getByRole("button", { name: "Continue" }).click();
  await dialog().getByText("Must not be empty").waitFor();
  await dialog().getByRole("textbox").fill("My laptop");
  await look(page, "passkey-name");
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
  await look(page, "passkeys");
  expect(consoleMessages).toEqual([]);

  await signOut(page);
  await look(page, "login");
  await button("Sign in with a passkey").click();
  await page.waitForURL(`${site}/`);
  await page.goto(`${site}/settings/security`);
  await list.getByText("Last used").waitFor();
});

test("a recovery code works once, and the authenticator app is turned off", async () => {
  const { data: started } = await ada.api.secondFactor.startTotp({ body: {} });
  const { data: confirmed } = await ada.api.secondFactor.confirmTotp({
    body: { code: totpCode(started.secret ?? "") },
  });
  await signOut(page);
  await givePassword(page, site, ada);
  await button("Use a recovery code").click();
  await page
    .getByLabel("Recovery code", { exact: true })
    .fill(confirmed.recovery_codes?.[0]?.toUpperCase() ?? "");
  await look(page, "recovery-step");
  await button("Continue").click();
  await security();
  await page.getByText("9 of 10 left").waitFor();

  await button("New recovery codes").click();
  await page.getByRole("list", { name: "Recovery codes" }).waitFor();
  await button("I have saved them").click();
  await page.getByText("10 of 10 left").waitFor();
  await button("Switch off").click();
  await dialog().getByLabel("Password").fill("not the password");
  await look(page, "switch-off");
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
  await look(page, "login-canceled");
  idp.deviations = {};
  await provider.click();
  await security();
  await page.getByText("Passkeys are bound to a domain name").waitFor();
  const identities = page.getByRole("list", { name: "Linked identities" });
  await identities.getByText(idp.issuer).waitFor();
  await button("Unlink").click();
  await page.getByText("This is your last sign-in method").waitFor();
  await look(page, "security-provider");
});

test("a user with a password links and unlinks the provider", async () => {
  await signOut(page);
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
