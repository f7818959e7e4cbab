// Thorough: every page in both schemes, pages at 320 pixels, and hundreds of steps of the focus.
/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import {
  expectAccessible,
  expectAccessibleInBothSchemes,
  expectFits,
} from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage } from "./support/browser.js";
import { makeEveryPage } from "./support/every-page.js";

/** Low vision and keyboard-only use, on every page. */
let app: TestApp;
let browser: Browser;
let page: Page;
let made: Awaited<ReturnType<typeof makeEveryPage>>;

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  const owner = await app.person("Ada");
  made = await makeEveryPage(owner);
  page = await signedInPage(browser, app, owner);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

async function open(path: string): Promise<void> {
  await page.goto(app.url + path);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForFunction(() => document.querySelector("[data-loading]") === null);
}

test("the focus is never hidden by a sticky header or bar", async () => {
  await page.setViewportSize({ width: 1440, height: 500 });
  const members = `/organizations/${made.organization.id}/settings?tab=members`;
  for (const path of [members, "/settings/security", "/settings/api-keys/new"]) {
    await open(path);
    for (const key of ["Tab", "Shift+Tab"]) {
      for (let step = 0; step < 60; step += 1) {
        await page.keyboard.press(key);
        // At the center of the focused element, part of it is on top.
        const covered = await page.evaluate(() => {
          const focused = document.activeElement;
          if (focused === null || focused === document.body) return null;
          const { left, top, width, height } = focused.getBoundingClientRect();
          if (width <= 1 || height <= 1) return null;
          const points = [0.1, 0.5, 0.9].map((part) => [
            left + width / 2,
            top + Math.min(height * part, innerHeight - 1),
          ]);
          const isSeen = points.some(([x = 0, y = 0]) => {
            const above = document.elementFromPoint(x, y);
            return above !== null && (focused.contains(above) || above.contains(focused));
          });
          return isSeen ? null : `${focused.outerHTML.slice(0, 120)} at ${top}`;
        });
        expect(covered, `${path}, ${key} ${step}`).toBeNull();
      }
    }
  }
});

// Other tests use the width of a phone, too; these pages are not covered there.
test("at 320 pixels (a zoom of 400 %) pages do not scroll sideways and targets are large", async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  for (const path of made.paths.filter((address) => /workspace|welcome|new|audit/.test(address))) {
    await open(path);
    await expectFits(page);
    await expectAccessible(page);
  }
});

test("at 1024 pixels every page fits and has enough contrast in both schemes", async () => {
  await page.setViewportSize({ width: 1024, height: 768 });
  for (const path of made.paths) {
    await open(path);
    await expectFits(page);
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme });
      const name = path.replaceAll(/[\da-f-]{36}|[\da-f]{40}/g, "").replaceAll(/\W+/g, "-");
      await screenshot(page, `at-1024${name}-${colorScheme}`);
    }
    await expectAccessibleInBothSchemes(page);
  }
});
