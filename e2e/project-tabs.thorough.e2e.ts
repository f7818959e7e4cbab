// Thorough: each tab in three widths and both schemes.
/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import { makeProjectWithTabs, tabs } from "./support/project-tabs.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let messages: string[];
let project: Project;

beforeAll(async () => {
  app = await startTestApp();
  const owner = await app.person("Ada");
  project = await makeProjectWithTabs(app, owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const addressOf = (path: string): string => `${app.url}/projects/${project.id}${path}`;
const heading = (tab: string) =>
  page.getByRole("heading", {
    level: 1,
    name: tab === "Overview" ? project.name : `${project.name} – ${tab}`,
    exact: true,
  });
const tabLink = (name: string) =>
  page.getByRole("navigation", { name: "Project" }).getByRole("link", { name, exact: true });

test("the tabs fit every screen, and the current one is in view", async () => {
  for (const { name, path } of tabs) {
    for (const width of [1440, 1024, 390]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.goto(addressOf(path));
      await heading(name).waitFor();
      await page.locator("[data-loading]").first().waitFor({ state: "detached" });
      await expectFits(page);
      const isInView = async (): Promise<boolean> => {
        const link = (await tabLink(name).boundingBox()) ?? { x: -1, width: 0 };
        return link.x >= 0 && link.x + link.width <= width;
      };
      // It is scrolled there after it has been rendered.
      await expect.poll(isInView, { message: `${name} at ${width}` }).toBe(true);
      const picture = `project-${path.slice(1) || "overview"}-${width}`;
      await screenshot(page, picture);
      await page.emulateMedia({ colorScheme: "dark" });
      await screenshot(page, `${picture}-dark`);
      await page.emulateMedia({ colorScheme: "light" });
      if (width !== 1024) await expectAccessibleInBothSchemes(page, `${name} at ${width}`);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(messages).toEqual([]);
});
