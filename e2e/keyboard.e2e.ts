import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { writeFiles } from "#test/support/fixtures/factories.js";
import { launchBrowser, signedInPage, watchConsole } from "./support/browser.js";

/** The whole way to a merge, without a mouse. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;

beforeAll(async () => {
  app = await startTestApp();
  browser = await launchBrowser();
  owner = await app.person("Ada");
  page = await signedInPage(browser, app, owner);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

/** Returns the accessible name of the focused element. */
const focused = (): Promise<string> =>
  page.evaluate(`(() => {
    const on = document.activeElement;
    const label = on?.labels?.[0]?.textContent;
    return (on?.getAttribute("aria-label") ?? label ?? on?.textContent ?? "").trim();
  })()`);

/** Presses the Tab key until the element is focused. */
async function tabTo(name: string | RegExp): Promise<void> {
  const passed: string[] = [];
  for (let step = 0; step < 80; step += 1) {
    const at = await focused();
    if (typeof name === "string" ? at === name : name.test(at)) return;
    passed.push(at);
    await page.keyboard.press("Tab");
  }
  throw new Error(`the Tab key does not lead to ${String(name)}; it led to ${passed.join(" | ")}`);
}

/** Waits until the button is enabled, then presses it. */
async function press(name: string | RegExp): Promise<void> {
  await tabTo(name);
  await expect.poll(() => page.locator(":focus").getAttribute("aria-disabled")).not.toBe("true");
  await page.keyboard.press("Enter");
}

async function type(name: string | RegExp, text: string): Promise<void> {
  await tabTo(name);
  await page.keyboard.type(text);
}

/** Waits until the page is open: its heading takes the focus, also from a button that the Tab key has just reached. */
const heading = (name: string | RegExp): Promise<void> =>
  page.getByRole("heading", { level: 1, name }).and(page.locator(":focus")).waitFor();
const dialog = (name: string | RegExp) => page.getByRole("dialog", { name });
/** Waits until the dialog is open and has the focus. */
const opened = (name: string | RegExp): Promise<void> =>
  expect
    .poll(() => dialog(name).evaluate((box) => box.contains(box.ownerDocument.activeElement)))
    .toBe(true);

test("from a new organization to a merge with the keyboard only", async () => {
  const messages = watchConsole(page);
  await page.goto(`${app.url}/organizations`);
  await page.getByText("You belong to no organization yet").waitFor();
  await press("New Organization");
  await heading("New Organization");
  await type("Name", "Acme");
  await page.keyboard.press("Enter");
  await heading("Acme");

  await press("Projects");
  await heading("Projects");
  await press("New project");
  await opened("New project");
  await type("Name", "Service");
  await page.keyboard.press("Enter");
  await heading("Service");

  await press("New agent");
  await opened("New agent");
  await type("Name", "worker");
  await page.keyboard.press("Enter");
  await dialog("New agent").waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "worker", exact: true }).first().waitFor();
  await press("Create workspace");
  await opened(/Create workspace/);
  await press("Create workspace");
  await dialog(/Create workspace/).waitFor({ state: "hidden" });
  await press("Open workspace");
  await heading("Agent: worker");

  const [agent] = (await owner.api.agents.list({ query: {} })).data as [Agent];
  const read = () => owner.api.workspaces.get({ params: { agent_id: agent.id } });
  // The page shows the workspace as soon as its creation begins; its folder is ready at the end.
  await expect.poll(async () => (await read()).data.status).toBe("active");
  const { data: workspace } = await read();
  await writeFiles(workspace, { "hello.md": "# Hello\n" });
  await press("Checkpoint");
  await page.getByText("[Agent worker] Checkpoint").first().waitFor();
  await press("Merge into main");
  await heading("Merge into main");
  await page.getByText("hello.md").first().waitFor();
  await press("Merge");
  await heading(/^Merge .+ into main$/);
  const { data: merges } = await owner.api.workspaces.merges({ params: { agent_id: agent.id } });
  expect(merges.map(({ status, target_branch }) => [status, target_branch])).toEqual([
    ["clean", "main"],
  ]);
  expect(messages).toEqual([]);
});
