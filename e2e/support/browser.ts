import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium, type Browser, type CDPSession, type Page } from "playwright-core";
import { expect } from "vitest";
import { firstAnswersId } from "#shared/first-answers.js";
import type { TestApp, TestPerson } from "#test/support/app.js";
// @ts-expect-error -- a script for a bare Node, without types
import { chromiumFlags } from "../../scripts/chromium.mjs";
import { expectAccessible, expectFits } from "./accessible.js";

/** Debian's Chromium, without what it would look up on the network. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["OMOI_CHROMIUM"] ?? "/usr/bin/chromium",
    args: chromiumFlags as string[],
  });
}

/** A page of a session of its own, on a wide screen. */
export async function newPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  return page;
}

/** The same of somebody who is signed in already; signing in by the page is for its own tests. */
export async function signedInPage(
  browser: Browser,
  app: TestApp,
  { email, password }: TestPerson,
): Promise<Page> {
  const page = await newPage(browser);
  const answer = await page.request.post(`${app.url}/api/v1/auth/login`, {
    data: { email, password },
    headers: { origin: app.url },
  });
  expect(answer.status()).toBe(200);
  return page;
}

/**
 * Has pages come without the API's first answers, so that they ask for them: for tests in which the API
 * answers something else than it does.
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

/** The narrow one is what is left of a wide one at a zoom of 400 % (WCAG 2.2, 1.4.10). */
const views = [
  { width: 1440, height: 900, colorScheme: "light" },
  { width: 320, height: 844, colorScheme: "dark" },
] as const;

/**
 * Looks at the page as it is, wide and light, narrow and dark: keeps what a person would see, and axe
 * finds nothing, nor does it scroll sideways.
 */
export async function look(page: Page, name: string, heading?: string): Promise<void> {
  for (const { width, height, colorScheme } of views) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    if (heading !== undefined) {
      const part = page.getByRole("heading", { name: heading, exact: true });
      await part.first().scrollIntoViewIfNeeded();
    }
    await screenshot(page, `${name}-${width}-${colorScheme}`);
    await expectAccessible(page, `${name}, ${width}`);
    await expectFits(page, `${name}, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

const folder = join(
  import.meta.dirname,
  "../..",
  process.env["OMOI_SCREENSHOTS"] ?? "test-results",
);

/** Keeps what a person would see; OMOI_SCREENSHOTS=docs/screenshots renews those of the README. */
export async function screenshot(page: Page, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  // What was just said about the step before would cover the page. As a sheet: Playwright's own style
  // element, for this and for hiding the caret, is against the content security policy.
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

/** What the page said that it should not have: errors, warnings and failed requests of the console. */
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
 * @param devtools with `Network` enabled
 * @returns what settles when for half a second no request was begun, answered or ended. What Playwright
 * calls idle counts requests, and stays for ever where the end of one is not told.
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
