import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import {
  launchBrowser,
  newPage,
  screenshot,
  signedInPage,
  watchConsole,
} from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let ada: TestPerson;

beforeAll(async () => {
  app = await startTestApp();
  ada = await app.person("Ada-Lovelace");
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const start = async (client_name: string) =>
  (await app.client().deviceLogin.start({ body: { client_name } })).data;
const fetchKey = (device_code: string) => app.client().deviceLogin.token({ body: { device_code } });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

/** Checks the page by axe in both schemes, and on a phone. */
async function expectGood(page: Page, name: string): Promise<void> {
  await expectAccessibleInBothSchemes(page, name);
  await screenshot(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await expectFits(page, name);
  await screenshot(page, `phone-${name}`);
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1440, height: 900 });
}

test("a visitor signs in, comes back to the request, approves it, and the program has a key", async () => {
  const name = "laptop \u202egpj.exe\u0007";
  const { verification_uri_complete, device_code, user_code } = await start(name);
  const page = await newPage(browser);
  await page.goto(verification_uri_complete);
  await page.getByLabel("Email address").fill(ada.email);
  await page.getByLabel("Password", { exact: true }).fill(ada.password);
  await button(page, "Sign in").click();
  await page.waitForURL(verification_uri_complete);
  const messages = watchConsole(page);

  await page.getByText(user_code, { exact: true }).waitFor();
  await page.getByText("Approve only if you started this on your own computer.").waitFor();
  // Characters that reorder or hide text are written out.
  await page.getByText("U+202E").waitFor();
  await page.getByText("U+0007").waitFor();
  await page.getByText("127.0.0.1").waitFor();
  await page.getByText(ada.email).first().waitFor();
  await expectGood(page, "device-login");
  // The address alone approves nothing.
  await page.reload();
  await button(page, "Approve").waitFor();
  await expectProblem(fetchKey(device_code), 400, "authorization_pending");

  await page.getByText("30 days", { exact: true }).click();
  await button(page, "Approve").click();
  await page.getByText("You have approved the request.").waitFor();
  await expectGood(page, "device-login-approved");
  const { data } = await fetchKey(device_code);
  expect(data.api_key.name).toBe(`omoi on ${name}`);
  const days = (Date.parse(String(data.api_key.expires_at)) - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(30);
  expect((await app.client(data.key).auth.me()).data.id).toBe(ada.id);
  await page.getByRole("link", { name: "Show API keys" }).click();
  await page.getByText("omoi on laptop").first().waitFor();
  expect(messages).toEqual([]);

  await page.goto(verification_uri_complete);
  await page.getByText(`No request has the code ${user_code}.`).waitFor();
  await page.context().close();
});

test("the code is typed on the page, and the request denied", async () => {
  const { verification_uri, device_code, user_code } = await start("build server");
  const page = await signedInPage(browser, app, ada);
  await page.goto(verification_uri);
  const field = page.getByRole("textbox", { name: "Code" });
  await field.fill("not a code");
  await button(page, "Continue").click();
  await page.getByText("Enter the eight letters that the program shows").waitFor();
  await expectGood(page, "device-login-code");
  await field.fill("BBBB BBBB");
  await field.press("Enter");
  await page.getByText("No request has the code BBBB-BBBB.").waitFor();
  await expectGood(page, "device-login-unknown");
  await field.fill(user_code.toLowerCase().replace("-", ""));
  await button(page, "Continue").click();
  await page.waitForURL(`${verification_uri}?code=${user_code}`);
  await button(page, "Deny").click();
  await page.getByText("You have denied the request.").waitFor();
  await expectGood(page, "device-login-denied");
  await expectProblem(fetchKey(device_code), 400, "access_denied");
  await page.reload();
  await page.getByText("You have denied the request.").waitFor();
  await page.context().close();
});

test("a request that ends meanwhile is explained", async () => {
  const { verification_uri_complete } = await start("slow");
  const page = await signedInPage(browser, app, ada);
  await page.goto(verification_uri_complete);
  await button(page, "Approve").waitFor();
  await queryAsOwner(app, "update device_logins set expires_at = now()");
  await button(page, "Approve").click();
  await page.getByText("The request has expired, or another person answered it.").waitFor();
  await page.context().close();
});
