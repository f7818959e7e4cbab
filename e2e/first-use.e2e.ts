/// <reference lib="dom" />
import { execFileSync } from "node:child_process";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, newPage, screenshot, watchConsole } from "./support/browser.js";

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
const field = (name: string) => page.getByLabel(name, { exact: true });
const current = () => page.locator("[aria-current=step]");

test("the setup guide leads to a commit and a key; steps can be skipped and resumed", async () => {
  await page.goto(`${app.url}/`);
  await page.waitForURL(/\/login/);
  // No account exists yet, so no sign-in is offered.
  await page.getByRole("heading", { name: "Create the administrator account" }).waitFor();
  expect(await page.getByRole("link", { name: "Sign in" }).count()).toBe(0);
  await expectAccessible(page, "the first account");
  await screenshot(page, "first-account");
  await field("Email address").fill("ada@example");
  // A field is validated on blur, then on every keystroke.
  await field("Password").focus();
  await page.getByText("Must be an email address").waitFor();
  await field("Email address").fill("ada@example.com");
  await page.getByText("Must be an email address").waitFor({ state: "hidden" });
  await field("Password").fill("correct staple horse");
  await button("Create administrator account").click();
  await page.waitForURL(/\/welcome$/);
  await current().getByRole("heading", { name: "Create an organization" }).waitFor();
  await expectAccessible(page, "the first step");
  await screenshot(page, "welcome");

  await button("Create organization").click();
  await page.getByText("Must not be empty").waitFor();
  await field("Organization name").fill("Acme Corp");
  await page.getByText("Must not be empty").waitFor({ state: "hidden" });
  await button("Create organization").click();

  await current().getByRole("heading", { name: "Add a project" }).waitFor();
  await field("Name").fill("Auth Service");
  await button("Create project").click();

  // The guide resumes after an interruption.
  await current().getByRole("heading", { name: "Give an agent its workspace" }).waitFor();
  await page.goto(`${app.url}/organizations`);
  await page.getByRole("link", { name: "Getting started" }).click();
  await button("Create agent and workspace").click();

  await current().getByRole("heading", { name: "Make a first commit" }).waitFor();
  const command = current().getByText(/^echo /);
  await command.waitFor();
  await expectAccessible(page, "the commit");
  await button("Commit").click();
  await page.getByText("Nothing has changed in the folder yet").waitFor();
  execFileSync("sh", ["-c", await command.innerText()]);
  await button("Commit").click();

  await current().getByRole("heading", { name: "Generate an API key" }).waitFor();
  await button("Skip: Generate an API key").click();
  await page.getByRole("heading", { name: "Next steps" }).waitFor();
  await page.reload();
  await page.getByText("· skipped").waitFor();
  await button("Open: Generate an API key").click();
  await button("Generate Key").click();
  const key = await page.getByText(/^sk_live_[0-9A-Za-z]{36}$/).innerText();
  await expectAccessible(page, "the key");
  const answer = await fetch(`${app.url}/api/v1/projects`, {
    headers: { authorization: `Bearer ${key}` },
  });
  expect(await answer.json()).toMatchObject([{ name: "Auth Service" }]);
  // Nothing has been copied yet.
  await button("Done").click();
  await page.getByRole("dialog", { name: "Leave without copying the key?" }).waitFor();
  await button("Stay on this page").click();
  await button("Copy Key").click();
  await button("Done").click();
  await page.getByText("All done. Your agents can work.").waitFor();
  await expectAccessible(page, "the end");
  expect(await page.content()).not.toContain(key);

  // No secret is stored where scripts can read it.
  const stored = await page.evaluate(
    () =>
      JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]) +
      document.cookie,
  );
  expect(stored).not.toMatch(/sk_live_|ocs_|oat_/);
  expect(consoleMessages).toEqual([]);
});
