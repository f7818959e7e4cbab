import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttentionKind } from "#shared/api/work/tasks.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { insertTask } from "#test/support/database/insert-task.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import {
  type BusyOrganization,
  makeBusyOrganization,
  setSession,
} from "./support/busy-organization.js";

/** The team lead's first page. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let busy: BusyOrganization;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  busy = await makeBusyOrganization(app, owner);
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const list = (name: string, on = page) => on.getByRole("list", { name, exact: true });
const needsYou = (on = page) => on.getByRole("region", { name: "Needs you", exact: true });
const rows = (on = page) => needsYou(on).locator("[data-row]");
const row = (text: string | RegExp, on = page) => rows(on).filter({ hasText: text });
/** The section of a row. */
const sectionRow = (section: string, text: string | RegExp, on = page) =>
  list(section, on).getByRole("listitem").filter({ hasText: text });

test("shows what needs a person, what runs and what was done today, on every screen", async () => {
  await page.goto(app.url);
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await row("Run failed with exit code 1").getByRole("button", { name: "Run again" }).waitFor();
  const conflict = sectionRow("Conflicts", "src/auth/oauth.py");
  await conflict.getByText("Changed by worker-1 and worker-2").waitFor();
  await row("docker build").getByRole("button", { name: /^Deny/ }).waitFor();
  await list("Working now").getByText("Applying 0042_sessions_uuid.sql (3 of 7)").waitFor();
  await list("Done today").getByText("docs-writer").waitFor();
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `home-${width}-${colorScheme}`);
    }
    await expectFits(page, `home, ${width}`);
    await expectAccessibleInBothSchemes(page, `home, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
});

test("j and k move, e marks as done with a way back, Enter opens", async () => {
  await page.goto(app.url);
  await row("Run failed").waitFor();
  const focusedRow = () =>
    page.evaluate(`document.activeElement.closest("[data-row]")?.dataset.row ?? ""`);
  const first = await rows().first().getAttribute("data-row");
  await page.keyboard.press("j");
  expect(await focusedRow()).toBe(first);
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  expect(await focusedRow()).toBe(first);
  const count = await rows().count();
  await page.keyboard.press("e");
  await expect.poll(() => rows().count()).toBe(count - 1);
  expect(await focusedRow()).not.toBe(first);
  expect(await focusedRow()).not.toBe("");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => rows().count()).toBe(count);

  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("Mark the row as done").waitFor();
  await page.keyboard.press("Escape");
  // In the search, letters are text.
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search and commands" }).fill("je");
  await page.keyboard.press("Escape");
  expect(await rows().count()).toBe(count);

  await row("Run failed").getByRole("link").first().focus();
  await page.keyboard.press("Enter");
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Run [0-9a-f]{8}$/)
    .waitFor();
  await page.goBack();
  await row("Run failed").waitFor();
});

test("a permission is answered in place, and leaves every other open page", async () => {
  const bob = await app.person("Bob");
  const body = { user_id: bob.id, role_id: systemRoleIds.admin };
  await owner.api.members.add({ params: { org_id: busy.orgId }, body });
  const other = await signedInPage(browser, app, bob);
  await other.goto(app.url);
  await row("docker build", other).waitFor();
  // The other page has not heard of the answer yet.
  await other.context().setOffline(true);
  await page.goto(app.url);
  await row("docker build")
    .getByRole("button", { name: /^Allow/ })
    .click();
  await row("docker build").waitFor({ state: "detached" });
  // As the program does with the answer.
  await setSession(app, busy.sessionId, "working");
  await other.context().setOffline(false);
  await row("docker build", other).waitFor({ state: "detached" });
  const { data } = await owner.api.overview.attention({ params: { org_id: busy.orgId } });
  expect(data.map(({ type }) => type)).not.toContain("permission_request");
  await other.close();
  // Asked again, it returns to its place without a reload.
  await queryAsOwner(app, "delete from agent_session_inputs where session_id = $1", [
    busy.sessionId,
  ]);
  await setSession(app, busy.sessionId, "waiting_for_permission");
  await row("docker build").waitFor();
});

test("a failed run is repeated in place, and moves to the running work", async () => {
  await page.goto(app.url);
  await row("Run failed").getByRole("button", { name: "Run again" }).click();
  await page.getByText("Run started").waitFor();
  // It fails again, which is news.
  await page.getByRole("button", { name: "1 new" }).click();
  await row("Run failed").waitFor();
});

test("a viewer sees everything, and why its actions are disabled", async () => {
  const vera = await app.person("Vera");
  const body = { user_id: vera.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: busy.orgId }, body });
  const other = await signedInPage(browser, app, vera);
  await other.goto(app.url);
  const again = row("Run failed", other).getByRole("button", { name: "Run again" });
  await expect.poll(() => again.getAttribute("aria-disabled")).toBe("true");
  await expect.poll(() => again.getAttribute("title")).toContain("agent:run");
  const allow = row("docker build", other).getByRole("button", { name: /^Allow/ });
  await expect.poll(() => allow.getAttribute("title")).toContain("agent:run");
  // Everyone has a list of their own.
  await row("Run failed", other).getByRole("button", { name: "Mark as done" }).click();
  await row("Run failed", other).waitFor({ state: "detached" });
  await page.goto(app.url);
  await row("Run failed").waitFor();
  await other.close();
});

test("follows the selected organization, from its first steps to all clear", async () => {
  const newcomer = await app.person("Nia");
  const other = await signedInPage(browser, app, newcomer);
  await other.goto(app.url);
  await other.getByText("You belong to no organization yet").waitFor();
  await screenshot(other, "home-none-1440-light");
  const { id } = await makeOrganization(newcomer);
  await other.reload();
  await other.getByText("Nothing needs you yet").waitFor();
  await other.getByRole("link", { name: "New project" }).waitFor();
  await screenshot(other, "home-new-1440-light");
  const project = await makeProject(newcomer, id);
  await newcomer.api.agents.create({ body: { project_id: project.id, name: "first" } });
  await other.getByText("Nothing needs you.").waitFor();
  await other.getByRole("button", { name: "Start a task" }).click();
  await other.getByRole("dialog", { name: "New task" }).waitFor();
  await other.keyboard.press("Escape");
  await screenshot(other, "home-clear-1440-light");
  await owner.api.members.add({
    params: { org_id: busy.orgId },
    body: { user_id: newcomer.id, role_id: systemRoleIds.member },
  });
  await other.reload();
  await other.getByRole("button", { name: /^Current organization/ }).click();
  await other.getByRole("menuitemradio", { name: /Acme Corp/ }).click();
  await row("Run failed", other).waitFor();
  await other.close();
});

/** Inserts a task of a new agent. */
async function makeTask(
  title: string,
  attention: { kind: AttentionKind; summary?: string; since?: string } | undefined,
  { ownerId = owner.id, agentId = undefined as string | undefined } = {},
): Promise<string> {
  const agent = agentId ?? (await makeAgent(owner, busy.project.id)).id;
  return insertTask(app, {
    ownerId,
    title,
    agentIds: [agent],
    ...(attention && { attention }),
  });
}
const minutesAgo = (minutes: number): string =>
  new Date(Date.now() - minutes * 60_000).toISOString();
/** Answers the calls of tasks, and returns what was sent. */
async function watchTaskCalls(on: Page): Promise<string[]> {
  const sent: string[] = [];
  await on.route(/\/api\/v1\/tasks\/[^/]+\/(prompts|retry|stop)$/, async (route) => {
    const call = route.request();
    sent.push(`${call.url().split("/").slice(-2).join("/")} ${call.postData() ?? ""}`.trim());
    await route.fulfill({ json: {} });
  });
  return sent;
}

test("has every kind of task in its section, with its action in the row", async () => {
  const bob = await app.person("Bea");
  const ids = {
    question: await makeTask("Half-cent rounding", {
      kind: "question",
      summary: "Should refunds round the same way as invoices?",
      since: minutesAgo(4),
    }),
    key: await makeTask("Translate the checkout", {
      kind: "missing_key",
      summary: "ANTHROPIC_API_KEY is missing",
      since: minutesAgo(9),
    }),
    delivery: await makeTask("Sort the imports", { kind: "delivery_unknown" }),
    review: await makeTask(
      "Split the cart module",
      { kind: "review", summary: "The cart has a module of its own.", since: minutesAgo(12) },
      { agentId: busy.workspaces.get("perf-1")?.agent_id },
    ),
    nothing: await makeTask("Explain the tax rules", {
      kind: "no_changes",
      summary: "The rules of 2026 are in src/tax/rules.ts; nothing has to change.",
    }),
    failed: await makeTask("Flaky payment test", {
      kind: "failed",
      summary: "exit code 1 · AssertionError: 2 != 3",
      since: minutesAgo(3),
    }),
    stuck: await makeTask(
      "Typed env variables",
      { kind: "stuck", since: minutesAgo(19) },
      { ownerId: bob.id },
    ),
    conflict: await makeTask("Rename the store", { kind: "conflict", summary: "2 conflicts" }),
    budget: await makeTask("Describe all products", { kind: "budget" }),
  };
  await makeTask("Audit log for refunds", undefined, {
    agentId: busy.workspaces.get("migrator")?.agent_id,
  });
  await makeTask("Document the webhooks", undefined, {
    agentId: busy.workspaces.get("docs-writer")?.agent_id,
  });
  await makeTask("Upgrade the build image", undefined, {
    agentId: busy.workspaces.get("idle-hands")?.agent_id,
  });
  await page.goto(app.url);
  const has = async (section: string, text: string | RegExp, ...names: string[]) => {
    for (const name of names) {
      const found = sectionRow(section, text);
      await found
        .getByRole(name === "Answer…" || name === "Retry" || name === "Stop" ? "button" : "link", {
          name,
        })
        .first()
        .waitFor();
    }
  };
  await sectionRow("Asks you", "Asks for permission: docker build")
    .getByRole("link", { name: /^#\d+ Upgrade the build image$/ })
    .waitFor();
  await has("Asks you", "Should refunds round the same way", "Answer…");
  await has("Asks you", "ANTHROPIC_API_KEY is missing", "Add key", "Retry");
  await has("Asks you", "Prompt may not have arrived", "Retry", "Open");
  await has("Ready for review", /\+\d+ .*−0 · 2 files · The cart has/, "Review");
  await has("Ready for review", "Ended without changes: The rules", "Answer…", "Open");
  await has("Failed or stuck", "AssertionError: 2 != 3", "Retry", "Open");
  await has("Failed or stuck", "Silent for 19 min", "Open", "Stop");
  await has("Conflicts", "2 conflicts", "Compare");
  await has("Limits", "Budget used up", "Raise…", "Retry");
  const link = row("Half-cent rounding").getByRole("link", { name: /Half-cent rounding$/ });
  expect(await link.first().getAttribute("href")).toBe(`/tasks/${ids.question}`);
  await list("Working now").getByText("Audit log for refunds").waitFor();
  await list("Done today").getByText("Document the webhooks").waitFor();
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    await screenshot(page, `home-tasks-${width}-light`);
    await expectFits(page, `home with tasks, ${width}`);
    await expectAccessibleInBothSchemes(page, `home with tasks, ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });

  // The choice is in the address.
  await page.getByText("Mine", { exact: true }).click();
  await row("Typed env variables").waitFor({ state: "detached" });
  await row("Half-cent rounding").waitFor();
  await page.reload();
  await row("Half-cent rounding").waitFor();
  expect(await row("Typed env variables").count()).toBe(0);
  await page.getByText("Everyone", { exact: true }).click();
  await row("Typed env variables").waitFor();
});

test("a question is answered below its row, a failure retried, silent work stopped", async () => {
  const sent = await watchTaskCalls(page);
  await page.goto(app.url);
  await row("Half-cent rounding").getByRole("button", { name: "Answer…" }).click();
  const field = page.getByRole("textbox", { name: "Your answer" });
  await field.fill("Yes, the same way");
  // A draft survives a reload.
  await page.reload();
  await row("Half-cent rounding").getByRole("button", { name: "Answer…" }).click();
  expect(await field.inputValue()).toBe("Yes, the same way");
  await screenshot(page, "home-answer-1440-light");
  await field.press("Enter");
  await page.getByText("Answer sent").waitFor();
  await field.waitFor({ state: "detached" });
  await row("Flaky payment test").getByRole("button", { name: "Retry" }).click();
  await page.getByText("Task started again").waitFor();
  await row("Typed env variables").getByRole("button", { name: "Stop" }).click();
  await page.getByText("Task stopped. Its changes are kept.").waitFor();
  expect(sent.map((call) => call.replace(/^[^/]+\//, ""))).toEqual([
    expect.stringMatching(/^prompts \{"text":"Yes, the same way","attempt_id":"/),
    "retry",
    "stop",
  ]);
  await page.unroute(/\/api\/v1\/tasks/);
});

test("s snoozes until a time, with a way back", async () => {
  await page.goto(app.url);
  const link = row("Sort the imports").locator("[data-row-link]");
  await link.focus();
  await page.keyboard.press("s");
  const dialog = page.getByRole("dialog", { name: "Snooze until" });
  await dialog.getByRole("button", { name: /^Tomorrow/ }).waitFor();
  await screenshot(page, "home-snooze-1440-light");
  await dialog.getByRole("button", { name: /^Tomorrow/ }).click();
  await page.getByText(/^Snoozed until \w{3} 09:00$/).waitFor();
  await row("Sort the imports").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await row("Sort the imports").waitFor();
  // The time passes.
  await row("Sort the imports").getByRole("button", { name: "Snooze" }).click();
  await dialog.getByRole("button", { name: /^In 1 hour/ }).click();
  await page.getByText(/^Snoozed until/).waitFor();
  await queryAsOwner(
    app,
    "update attention_dismissals set until = now() where item_key like 'task:%' and until is not null",
    [],
  );
  await page.reload();
  await row("Sort the imports").waitFor();
});

test("rows stay under the pointer: new ones wait, and one that is gone stays until it leaves", async () => {
  await page.goto(app.url);
  await row("Sort the imports").waitFor();
  const texts = async () => (await rows().allInnerTexts()).map((text) => text.split("\n")[1]);
  const before = await texts();
  await row("Sort the imports").hover();
  await makeTask("A newer question", { kind: "question", summary: "Which one?" });
  await makeTask("Another question", { kind: "question", summary: "Why?" });
  await queryAsOwner(
    app,
    "update tasks set attention = null, urgency = 100, status = 'working' where title = 'Half-cent rounding'",
    [],
  );
  await page.getByRole("button", { name: "2 new" }).waitFor();
  await row("Half-cent rounding").getByText("No longer needs you").waitFor();
  expect(await texts()).toEqual(before);
  await screenshot(page, "home-new-rows-1440-light");
  await page.mouse.move(2, 2);
  await row("Half-cent rounding").waitFor({ state: "detached" });
  expect(await texts()).toEqual(before.filter((text) => !text?.includes("Half-cent rounding")));
  for (const colorScheme of ["light", "dark"] as const) {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme });
    await screenshot(page, `home-new-rows-390-${colorScheme}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  await page.getByRole("button", { name: "2 new" }).click();
  await row("A newer question").waitFor();
  expect((await texts()).filter((text) => text?.includes("question"))).toEqual([
    expect.stringContaining("Another question"),
    expect.stringContaining("A newer question"),
  ]);
  await expect
    .poll(() => page.evaluate(`document.activeElement.textContent`))
    .toContain("Another question");
});

test("the console has no errors", () => {
  expect(messages).toEqual([]);
});
