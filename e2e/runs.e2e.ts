import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/agents.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/app.js";
import { folderOf, makeOrganization, makeProject, makeWorkspace } from "#test/factories.js";
import { expectAccessible } from "./accessible.js";
import { launchBrowser, screenshot, watchConsole } from "./browser.js";

/** Commands in a real sandbox, started, watched and stopped on the pages. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let agent: Agent;
let folder: string;
let messages: string[];

beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  const made = await makeWorkspace(owner, project.id);
  agent = made.agent;
  folder = folderOf(made.workspace);
  browser = await launchBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(`${app.url}/login`);
  await page.getByLabel("E-mail address").fill(owner.email);
  await page.getByLabel("Password", { exact: true }).fill(owner.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL(/\/organizations$/);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

async function look(name: string): Promise<void> {
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `${name}-${width}-${colorScheme}`);
      await expectAccessible(page, `${name} ${width} ${colorScheme}`);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

test("a script is started, its log watched live and searched, and it is stopped", async () => {
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByRole("button", { name: "Run a Command" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Command" }).fill("echo 'a b' | wc");
  await dialog.getByText("needs a shell").waitFor();
  await dialog.getByText("Shell script", { exact: true }).click();
  await dialog
    .getByRole("textbox", { name: "Shell script" })
    .fill(
      String.raw`printf '\033[31mred line\033[0m\n\033]0;title\007plain\n'; echo oops >&2; seq 1 5000; until test -e go; do sleep 0.1; done; echo after; sleep 1000`,
    );
  await screenshot(page, "run-command");
  await expectAccessible(page, "run command");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL(/\/runs\//);
  const output = page.getByRole("region", { name: "Output" });
  await output.getByText("5000", { exact: true }).last().waitFor();
  await writeFile(join(folder, "go"), "");
  await output.getByText("after", { exact: true }).waitFor();
  await page.getByLabel("Search the log").fill("red line");
  await page.getByText("1 of 1 line").waitFor();
  await page.getByLabel("Search the log").press("Enter");
  await output.locator("mark", { hasText: "red line" }).waitFor();
  await page.getByLabel("Search the log").fill("oops");
  await page.getByLabel("Search the log").press("Enter");
  await output.locator("mark", { hasText: "oops" }).waitFor();
  await look("run-page");
  await page.getByRole("button", { name: "Stop Run" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Stop Run" }).click();
  await page.getByText("Stopped by Ada.").waitFor();
  await page.getByText("Complete", { exact: true }).waitFor();
});

test("a command that fails says so in the list of runs", async () => {
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByRole("button", { name: "Run a Command" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Command" }).fill("sh -c 'exit 3'");
  await dialog.getByTestId("parsed").getByText('["sh","-c","exit 3"]').waitFor();
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("Its command ended with exit code 3.").waitFor();
  await page.goto(`${app.url}/agents/${agent.id}`);
  await page.getByRole("table", { name: "Runs" }).getByText("Failed").waitFor();
  await look("agent-page");
  expect(messages).toEqual([]);
});
