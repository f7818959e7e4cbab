/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openApiDocument } from "#shared/contract/openapi.js";
import { errorCodes } from "#shared/errors.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { launchBrowser, look, newPage, screenshot, watchConsole } from "./support/browser.js";

let app: TestApp;
let browser: Browser;
let page: Page;
let consoleMessages: string[];
const { tags, paths } = openApiDocument("https://omoi.example.com") as unknown as {
  tags: { name: string }[];
  paths: Record<string, Record<string, { operationId: string; tags: [string] }>>;
};

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

const heading = (name: string | RegExp) => page.getByRole("heading", { name });
/** The heading at the address's anchor is in view. */
const isAtAnchor = (): Promise<boolean> =>
  page.evaluate(() => {
    const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const { top = -1 } = part?.getBoundingClientRect() ?? {};
    return top >= 0 && top < innerHeight;
  });

test("the overview, a group, the schemas and the errors are accessible and fit any width", async () => {
  for (const [path, name, within] of [
    ["", "overview", undefined],
    ["/organizations", "calls", undefined],
    ["/workspaces#workspaces.createMerge", "call", 'section[id="workspaces.createMerge"]'],
    ["/schemas#Run", "schemas", 'section[id="Run"]'],
    ["/errors#quota_exceeded", "errors", undefined],
    ["?q=merge", "search", undefined],
  ] as const) {
    await page.goto(`${app.url}/api/docs${path}`);
    await look(page, `reference-${name}`, undefined, within);
    await page.setViewportSize({ width: 390, height: 844 });
    await screenshot(page, `reference-${name}-390`);
    await page.setViewportSize({ width: 1440, height: 900 });
  }
  expect(consoleMessages).toEqual([]);
});

test("each call has its request, its answer, its errors and a curl line at an anchor", async () => {
  for (const { name } of tags) {
    await page.goto(`${app.url}/api/docs/${name}`);
    const calls = Object.values(paths)
      .flatMap((methods) => Object.values(methods))
      .filter((call) => call.tags[0] === name);
    for (const { operationId } of calls) {
      const part = page.locator(`section[id="${operationId}"]`);
      const text = await part.innerText();
      expect([operationId, text]).toEqual([operationId, expect.stringContaining("Answers")]);
      expect(await part.getByRole("group", { name: "curl" }).innerText()).toMatch(/^curl /);
      expect(await part.locator("details", { hasText: "Errors" }).count()).toBeGreaterThan(0);
    }
  }
  expect(consoleMessages).toEqual([]);
});

test("the search leads to a call, a field and an error", async () => {
  await page.goto(`${app.url}/api/docs`);
  const box = page.getByRole("searchbox", { name: "Search the API" });
  await box.fill("create agent");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: /POST.*\/api\/v1\/agents$/ }).click();
  await heading(/^Create an agent/).waitFor();
  await page.waitForURL(/#agents\.create$/);
  await expect.poll(isAtAnchor).toBe(true);

  await box.fill("max_agent_runtime_hours");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Organization", exact: true }).click();
  await page.waitForURL(/#Organization$/);
  await expect.poll(isAtAnchor).toBe(true);

  await box.fill("<b>nothing</b>");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=%3Cb/);
  expect(await page.getByRole("status").innerText()).toBe("No results for “<b>nothing</b>”.");
});

test("the type of an error leads to its explanation, in a call's list of errors, too", async () => {
  const answer = await page.request.get(`${app.url}/api/v1/auth/me`);
  const { type } = (await answer.json()) as { type: string };
  await page.goto(type);
  await heading("Authentication required").waitFor();
  await expect.poll(isAtAnchor).toBe(true);
  for (const code of Object.keys(errorCodes)) {
    expect([code, await page.locator(`section[id="${code}"] p`).count()]).toEqual([code, 3]);
  }
  await page.goto(`${app.url}/api/docs/agents#agents.create`);
  const part = page.locator('section[id="agents.create"]');
  await part.getByText("Errors", { exact: true }).click();
  await part.getByRole("link", { name: "name_taken" }).click();
  await page.waitForURL(`${app.url}/api/docs/errors#name_taken`);
  await expect.poll(isAtAnchor).toBe(true);
});

test("works without scripts, and an unknown group is 404", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const plain = await context.newPage();
  await plain.goto(`${app.url}/api/docs/organizations`);
  await plain.getByRole("searchbox").fill("slug");
  await plain.getByRole("button", { name: "Search" }).click();
  await plain.getByRole("heading", { name: "Calls" }).waitFor();
  await context.close();
  expect((await page.request.get(`${app.url}/api/docs/nothing`)).status()).toBe(404);
});
