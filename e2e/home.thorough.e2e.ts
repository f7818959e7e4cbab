// Thorough: other people and organizations, and every kind of task in its section.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { expectAccessibleInBothSchemes, expectFits } from "./support/accessible.js";
import { launchBrowser, screenshot, signedInPage, watchConsole } from "./support/browser.js";
import {
  type BusyOrganization,
  makeBusyOrganization,
  setSession,
} from "./support/busy-organization.js";
import { type MakeTask, minutesAgo, taskMaker } from "./support/home-tasks.js";

/** The first page of several people, and with every kind of task. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let busy: BusyOrganization;
let makeTask: MakeTask;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  owner = await app.person("Ada");
  busy = await makeBusyOrganization(app, owner);
  makeTask = taskMaker(app, owner, busy.project.id);
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
