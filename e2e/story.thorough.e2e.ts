// Thorough: the parts of the story are in the gate files of their pages.
/// <reference lib="dom" />
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
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
const link = (name: string | RegExp) => page.getByRole("link", { name, exact: true });
const go = (name: string): Promise<void> =>
  page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
const dialog = () => page.getByRole("dialog");

test("the whole story through the pages", async () => {
  // A deep link redirects to the sign-in and back.
  await page.goto(`${app.url}/settings/api-keys`);
  await page.waitForURL(/\/register/);
  await page.getByLabel("Full name").fill("Ada Lovelace");
  await page.getByLabel("Email address").fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill("correct staple horse");
  await expectAccessible(page);
  await button("Create administrator account").click();
  await page.waitForURL(/\/settings\/api-keys$/);
  // Without a session the API returns 401, which browsers log to the console.
  consoleMessages.length = 0;

  await page.goto(`${app.url}/`);
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await button("Hide this reminder").click();
  await expectAccessible(page);

  // The organization of the example.
  await link("New Organization").first().click();
  await page.getByLabel("Name", { exact: true }).fill("Acme Corp");
  expect(await page.getByLabel("Slug").inputValue()).toBe("acme-corp");
  await page.getByLabel("Description").fill("Engineering team at Acme");
  await expectAccessible(page);
  await button("Create organization").click();
  await page.waitForURL(/\/organizations\/(?!new)[^/]+$/);

  await page.goto(`${app.url}/organizations`);
  await page.getByText("0/5 agents, 0/100 hours").waitFor();
  await page.getByText("You ✓").waitFor();
  await page
    .getByRole("main")
    .getByRole("link", { name: /Settings/ })
    .click();
  await page.getByLabel("Description").fill("Engineering at Acme");
  await button("Save Changes").click();
  await page.getByText(/saved/i).first().waitFor();
  await expectAccessible(page);
  await screenshot(page, "organization-settings");

  // A project and two agents, each with its own workspace.
  await go("Projects");
  await button("New project").first().click();
  await dialog().getByLabel("Name", { exact: true }).fill("Auth Service");
  await dialog()
    .getByRole("button", { name: /^Create/ })
    .click();
  await dialog().waitFor({ state: "hidden" });
  await page.getByText("auth-service.git").first().waitFor();
  await screenshot(page, "projects");

  const folders: Record<string, string> = {};
  for (const name of ["worker-1", "worker-2"]) {
    await go("Agents");
    await button("New agent").first().click();
    await dialog().getByLabel("Name", { exact: true }).fill(name);
    await button("Create agent").click();
    await dialog().waitFor({ state: "hidden" });
    const row = page.getByRole("row", { name: new RegExp(name) });
    await row.getByRole("button", { name: /Create workspace/i }).click();
    await dialog().getByRole("button", { name: "Create workspace" }).click();
    await dialog().waitFor({ state: "hidden" });
    await row.getByText(`workspace-${name}`).waitFor();
    await row.getByRole("link", { name: "Open workspace" }).click();
    await page.getByText("Working Directory:").waitFor();
    const folder = await page
      .getByText(/ws_worker-\d$/)
      .first()
      .innerText();
    folders[name] = folder.trim();
  }
  await go("Agents");
  await page.getByText("workspace-worker-2").waitFor();
  await screenshot(page, "agents");

  // Both change the same file: checkpoint, validation, then two merges, the second of which conflicts.
  const openWorkspace = async (name: string): Promise<void> => {
    await go("Agents");
    const row = page.getByRole("row", { name: new RegExp(name) });
    await row.getByRole("link", { name: "Open workspace" }).click();
    await page.getByText(`workspace-${name}`).first().waitFor();
  };
  const write = (name: string, file: string, text: string): Promise<void> =>
    writeFile(join(folders[name] ?? "", file), text);

  await write("worker-1", "oauth2.py", "def refresh(token):\n    return rotate(token)\n");
  await write("worker-1", "README.md", "# Auth service\n");
  await openWorkspace("worker-1");
  await button("Checkpoint").click();
  await page.getByText("[Agent worker-1] Checkpoint").waitFor();
  await write(
    "worker-1",
    "oauth2.py",
    "def refresh(token):\n    check(token)\n    return rotate(token)\n",
  );
  await button("Validation commit…").click();
  await dialog()
    .getByRole("button", { name: /^(Create|Commit|Validation)/ })
    .click();
  await page.getByText("[Agent worker-1] Iteration 1").waitFor();
  await expectAccessible(page);
  await screenshot(page, "workspace-commits");

  await link(/^View Diff/)
    .first()
    .click();
  await page.getByText("check(token)").first().waitFor();
  await expectAccessible(page);
  await screenshot(page, "commit-diff");

  await write("worker-2", "oauth2.py", "def refresh(token):\n    return renew(token)\n");
  await openWorkspace("worker-2");
  await button("Merge into main").click();
  await page.getByText("No conflicts: 1 file would change on main.", { exact: false }).waitFor();
  await button("Merge").click();
  await page.waitForURL(/\/merges\//);

  await openWorkspace("worker-1");
  await button("Merge into main").click();
  const conflict = page.getByRole("region", { name: "Conflict in oauth2.py" });
  await conflict.getByText(/newest_file_wins/).waitFor();
  await conflict.getByText("check(token)").waitFor();
  await expectAccessible(page);
  await screenshot(page, "merge-preview");
  await button("Merge").click();
  await page.waitForURL(/\/merges\//);
  await page
    .getByText(/newest_file_wins/)
    .first()
    .waitFor();
  await conflict.getByText("check(token)").waitFor();
  await page.getByText("Fetch the losing version with git").click();
  await page
    .getByText(/refs\/keep\//)
    .first()
    .waitFor();
  await expectAccessible(page);
  await screenshot(page, "merge-details");

  await openWorkspace("worker-1");
  await link("Merge Conflicts").click();
  await page.getByText(/Total Conflicts Resolved/).waitFor();
  await page
    .getByRole("main")
    .getByRole("link", { name: /View Details/ })
    .first()
    .waitFor();
  await screenshot(page, "workspace-conflicts");
  expect(consoleMessages).toEqual([]);
});

test("an API key is shown once, works, and is rejected once revoked", async () => {
  await page.goto(`${app.url}/settings/api-keys`);
  await link("Generate New API Key").first().click();
  await page.getByLabel("Name", { exact: true }).fill("CI/CD Integration");
  await expectAccessible(page);
  await screenshot(page, "new-api-key");
  await button("Generate Key").click();
  await page.getByRole("heading", { name: "API Key Created ✓" }).waitFor();
  const key = (
    await page
      .getByText(/^sk_live_[0-9A-Za-z]{36}$/)
      .first()
      .innerText()
  ).trim();
  await expectAccessible(page);
  const bearer = { authorization: `Bearer ${key}` };
  const answer = await fetch(`${app.url}/api/v1/projects`, { headers: bearer });
  expect(answer.status).toBe(200);

  await button("Copy Key").click();
  await page.getByRole("link", { name: "Done" }).or(button("Done")).click();
  await page.waitForURL(/\/settings\/api-keys$/);
  await page.reload();
  await button(/^Revoke/)
    .first()
    .waitFor();
  expect(await page.content()).not.toContain(key);
  await screenshot(page, "api-keys");
  await button(/^Revoke/)
    .first()
    .click();
  await page
    .getByRole("alertdialog")
    .or(dialog())
    .getByRole("button", { name: /Revoke/ })
    .click();
  await page.getByText("Revoked").first().waitFor();
  expect((await fetch(`${app.url}/api/v1/projects`, { headers: bearer })).status).toBe(401);
  expect(consoleMessages).toEqual([]);
});
