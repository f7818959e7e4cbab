import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, newPage, watchConsole } from "./support/browser.js";
import { walkFirstUse } from "./support/first-use.js";

let app: TestApp;
let browser: Browser;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

// The looks at each step are in the thorough file.
test("the first page leads to a merged change, one button after the other", async () => {
  const page = await newPage(browser);
  const messages = watchConsole(page);
  await walkFirstUse(page, app.url);
  await expectAccessible(page);
  // Without a session the API returns 401, which browsers log to the console.
  expect(messages.filter((text) => !text.includes("401"))).toEqual([]);
});
