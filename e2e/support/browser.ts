import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  chromium,
  type Browser,
  type BrowserContextOptions,
  type CDPSession,
  type Page,
} from "playwright-core";
import { expect } from "vitest";
import { firstAnswersId } from "#shared/first-answers.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { withSharedFolder } from "#test/support/temporary-folders.js";
// @ts-expect-error -- a script for a bare Node, without types
import { chromiumFlags } from "../../scripts/chromium.mjs";
import { expectAccessible, expectFits } from "./accessible.js";

let launched: Promise<Browser> | undefined;

/**
 * Returns Debian's Chromium without background network requests. The test files of a worker share it; its `close` closes
 * the pages of a file.
 */
export async function launchBrowser(): Promise<Browser> {
  if (launched !== undefined && (await launched).isConnected()) return launched;
  launched = withSharedFolder(() =>
    chromium.launch({
      executablePath: process.env["OMOI_CHROMIUM"] ?? "/usr/bin/chromium",
      args: chromiumFlags as string[],
    }),
  );
  const browser = await launched;
  browser.close = async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
  };
  return browser;
}

/** Opens a page with a session of its own, on a wide screen. */
export async function newPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(90_000);
  return page;
}

/** The same for a signed-in user; only its own tests use the sign-in page. */
export async function signedInPage(
  browser: Browser,
  app: TestApp,
  { email, password }: TestPerson,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const page = await newPage(browser, options);
  const answer = await page.request.post(`${app.url}/api/v1/auth/login`, {
    data: { email, password },
    headers: { origin: app.url },
  });
  expect(answer.status()).toBe(200);
  return page;
}

/**
 * Serves pages without preloaded responses, so that they send requests: for tests that replace API
 * responses.
 */
export async function dropFirstAnswers(page: Page): Promise<void> {
  const block = new RegExp(`(<script [^>]*id="${firstAnswersId}">)[^<]*`);
  await page.route("**", async (route) => {
    if (route.request().resourceType() !== "document") return route.fallback();
    const response = await route.fetch();
    const body = (await response.text()).replace(block, "$1[]");
    return route.fulfill({ response, body });
  });
}

/** The narrow view equals a wide screen at a zoom of 400 % (WCAG 2.2, 1.4.10). */
const views = [
  { width: 1440, height: 900, colorScheme: "light" },
  { width: 320, height: 844, colorScheme: "dark" },
] as const;

/**
 * Checks the current page in wide light and narrow dark views: takes screenshots, runs axe and checks
 * for horizontal scrolling.
 * @param heading scrolled into view
 * @param within selects the part that axe checks, as in `expectAccessible`
 */
export async function look(
  page: Page,
  name: string,
  heading?: string,
  within?: string,
): Promise<void> {
  for (const { width, height, colorScheme } of views) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    if (heading !== undefined) {
      const part = page.getByRole("heading", { name: heading, exact: true });
      await part.first().scrollIntoViewIfNeeded();
    }
    await screenshot(page, `${name}-${width}-${colorScheme}`);
    await expectAccessible(page, `${name}, ${width}`, within);
    await expectFits(page, `${name}, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Like `look`, and on a phone of common width. */
export async function lookWell(page: Page, name: string): Promise<void> {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectFits(page, name);
  await screenshot(page, `${name}-390-light`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

const screenshots = process.env["OMOI_SCREENSHOTS"];

/**
 * Takes a screenshot into the folder OMOI_SCREENSHOTS, if it is set: `docs/screenshots` renews those of the README.
 * Without it nothing is taken: hundreds of pictures that nothing compares take a minute.
 */
export async function screenshot(page: Page, name: string): Promise<void> {
  if (screenshots === undefined) return;
  const folder = join(import.meta.dirname, "../..", screenshots);
  await mkdir(folder, { recursive: true });
  // Toasts of the previous step would cover the page. Uses an adopted style sheet: the content security
  // policy blocks Playwright's style element, for this and for hiding the caret.
  await page.evaluate(`
    window.hideToasts ??= new CSSStyleSheet();
    hideToasts.replaceSync("output[aria-live=polite] { display: none }");
    document.adoptedStyleSheets.push(hideToasts);
  `);
  await page.screenshot({
    path: join(folder, `${name}.png`),
    animations: "disabled",
    caret: "initial",
  });
  await page.evaluate(`
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== hideToasts);
  `);
}

/** Records unexpected console messages: errors, warnings and failed requests. */
export function watchConsole(page: Page): string[] {
  const messages: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) messages.push(message.text());
  });
  page.on("pageerror", (error) => messages.push(String(error)));
  return messages;
}

const quietMs = 500;

/**
 * Returns a function that waits until no request has been sent, answered or finished for half a second.
 * Playwright's network idle counts open requests, and never resolves if the end of one is not reported.
 * @param devtools with `Network` enabled
 */
export function watchQuiet(devtools: CDPSession): () => Promise<void> {
  let last = Date.now();
  for (const event of ["requestWillBeSent", "responseReceived", "loadingFinished"] as const) {
    devtools.on(`Network.${event}`, () => (last = Date.now()));
  }
  return async () => {
    for (let left = 1; left > 0; left = last + quietMs - Date.now()) await sleep(left);
  };
}
