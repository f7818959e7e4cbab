// Thorough: editing, other roles, the palette, attempts, missing keys, several tasks and protected branches.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { launchBrowser, look, screenshot, signedInPage, watchConsole } from "./support/browser.js";

/** Tasks beyond the way from one text field to a merged change, with a scripted agent. */
let app: TestApp;
let browser: Browser;
let page: Page;
let owner: TestPerson;
let project: Project;
let messages: string[];
let first: { params: { task_id: string } };
/** The address of the first task. */
let address: string;
const untilFirst = (status: Task["status"]): Promise<void> =>
  vi.waitFor(async () => expect((await owner.api.tasks.get(first)).data.status).toBe(status), {
    timeout: 120_000,
    interval: 100,
  });

beforeAll(async () => {
  app = await startTestApp({}, "real");
  owner = await app.person("Ada");
  const { id: org_id } = await makeOrganization(owner);
  await owner.api.organizations.update({
    params: { org_id },
    body: { max_concurrent_agents: 20 },
  });
  project = await makeProject(owner, org_id);
  const { data: task } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: {
      body: "say Should refunds round the same way?",
      labels: ["invoices", "bug"],
      preset: "custom",
      command: [...acpAgent()],
    },
  });
  first = { params: { task_id: task.id } };
  address = `${app.url}/tasks/${task.id}`;
  await untilFirst("needs_you");
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const transcript = () => page.getByRole("region", { name: "Transcript" });
const dialog = () => page.getByRole("dialog", { name: "New task" });
const text = () => page.getByRole("textbox", { name: "What should be done?" });
/** A command line that the form reads as the words of the command. */
const line = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
const screen = async (name: string): Promise<void> => {
  await look(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, `${name}-390`);
  await page.setViewportSize({ width: 1440, height: 900 });
};

test("title, owner, people, labels and priority are edited in place, on a phone, too", async () => {
  const grace = await app.person("Grace");
  await owner.api.members.add({
    params: { org_id: project.organization_id },
    body: { user_id: grace.id, role_id: systemRoleIds.member },
  });
  await page.goto(address);
  await page.setViewportSize({ width: 390, height: 844 });
  await button("Edit").click();
  const form = page.getByRole("form", { name: "Edit task" });
  const title = form.getByRole("textbox", { name: "Title" });
  await expect.poll(() => title.evaluate((field) => field === document.activeElement)).toBe(true);
  await title.fill("Round refunds like invoices");
  await form.getByRole("combobox", { name: "Owner" }).selectOption("Grace");
  await form.getByRole("combobox", { name: "Priority" }).selectOption("High");
  await form.getByRole("textbox", { name: /^Labels/ }).fill("invoices, bug, refunds");
  await form.getByRole("combobox", { name: /^Assignees/ }).selectOption("Ada");
  await form.getByRole("combobox", { name: /^Assignees/ }).selectOption("Grace");
  await form.getByRole("button", { name: "Remove Ada" }).click();
  await screenshot(page, "task-edit-390");
  await page.setViewportSize({ width: 1440, height: 900 });
  await look(page, "task-edit");
  await button("Save task").click();
  await page.getByRole("heading", { level: 1, name: "Round refunds like invoices" }).waitFor();
  await page.getByText("for Grace").waitFor();
  await page.getByText("with Grace").waitFor();
  await page.getByText("refunds", { exact: true }).waitFor();
  await button("Edit").click();
  await title.fill(" ");
  await button("Save task").click();
  await expect.poll(() => title.getAttribute("aria-invalid")).toBe("true");
  await button("Cancel").click();
  await page.getByRole("heading", { level: 1, name: "Round refunds like invoices" }).waitFor();
});

test("a viewer reads along, and sees why nothing can be done", async () => {
  await owner.api.tasks.prompt({ ...first, body: { text: "tool" } });
  await untilFirst("in_review");
  const viewer = await app.person("Vera");
  const params = { org_id: project.organization_id };
  await owner.api.members.add({
    params,
    body: { user_id: viewer.id, role_id: systemRoleIds.viewer },
  });
  const other = await signedInPage(browser, app, viewer);
  await other.goto(address);
  await other.getByText("In review").first().waitFor();
  await other
    .getByText(/may not|Your role/)
    .first()
    .waitFor();
  expect(await other.getByRole("button", { name: "Approve and merge" }).count()).toBe(0);
  await look(other, "task-viewer");
  await other.keyboard.press("c");
  await other.getByText(/may not create tasks/).waitFor();
  await other.context().close();
});

test("the palette finds tasks, people, files and settings, typed badly, too", async () => {
  await owner.api.tasks.merge(first);
  await untilFirst("done");
  await page.goto(address);
  await page.getByRole("heading", { level: 1 }).waitFor();
  const field = page.getByRole("combobox", { name: "Search and commands" });
  const option = (name: RegExp) => page.getByRole("option", { name });
  await page.keyboard.press("Control+k");
  await field.fill("refudns");
  await option(/^#1 Round refunds like invoices/).waitFor();
  await screen("palette-task");
  await field.fill("Grcae");
  await option(/^Grace/).waitFor();
  await field.fill("protcted brnaches");
  await option(/^Project settings/).waitFor();
  await field.fill("chidl tasks");
  await option(/^Settings: Resources/).waitFor();
  await field.fill("a.txt");
  await option(/^a\.txt/).waitFor();
  await screen("palette-file");
  await option(/^a\.txt/).click();
  expect(await text().inputValue()).toBe("a.txt: ");
  await expect
    .poll(() => page.getByRole("combobox", { name: "Project" }).inputValue())
    .toBe(project.id);
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
});

test("a missing key is asked for where it is missing, or who may add it is named", async () => {
  const member = await app.person("Max");
  const params = { org_id: project.organization_id };
  await owner.api.members.add({
    params,
    body: { user_id: member.id, role_id: systemRoleIds.member },
  });
  const other = await signedInPage(browser, app, member);
  for (const shown of [other, page]) {
    let isRefused = false;
    await shown.route("**/api/v1/projects/*/tasks", async (route) => {
      if (route.request().method() !== "POST" || isRefused) return route.fallback();
      isRefused = true;
      return route.fulfill({
        status: 409,
        contentType: "application/problem+json",
        body: JSON.stringify({
          type: "about:blank",
          title: "The model key is missing",
          status: 409,
          detail: "The program needs a key.",
          code: "missing_model_key",
          request_id: "",
          secret: "EXAMPLE_API_KEY",
        }),
      });
    });
    await shown.goto(`${app.url}/projects/${project.id}`);
    await shown.getByRole("heading", { level: 1 }).waitFor();
    await shown.keyboard.press("c");
    await shown.getByRole("combobox", { name: "Program" }).selectOption("custom");
    await shown.getByRole("textbox", { name: "Command" }).fill(line(acpAgent()));
    await shown.getByRole("textbox", { name: "What should be done?" }).fill("say hello");
    await shown.keyboard.press("Enter");
  }
  await other
    .getByText("Only owners and admins can add keys. Ask an owner.", { exact: false })
    .waitFor();
  await look(other, "task-new-no-key");
  await other.context().close();
  await page.getByLabel("EXAMPLE_API_KEY").fill("a-key-of-a-test");
  await screen("task-new-key");
  await button("Save and start").click();
  await page.waitForURL(/\/tasks\/[\da-f-]{36}$/);
  await transcript().getByText("hello").last().waitFor();
  const { data: secrets } = await owner.api.organizationSecrets.list({ params, query: {} });
  expect(secrets.map(({ name }) => name)).toEqual(["EXAMPLE_API_KEY"]);
  // The refusal that was made up.
  expect(messages.splice(0)).toEqual([expect.stringContaining("409")]);
  await page.unroute("**/api/v1/projects/*/tasks");
});

test("a retry without a model key asks for it", async () => {
  const { data: task } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body: "crash", preset: "custom", command: [...acpAgent()] },
  });
  let isRefused = false;
  await page.route("**/api/v1/tasks/*/retry", async (route) => {
    if (isRefused) return route.fallback();
    isRefused = true;
    return route.fulfill({
      status: 409,
      contentType: "application/problem+json",
      body: JSON.stringify({
        type: "about:blank",
        title: "The model key is missing",
        status: 409,
        detail: "The program needs a key.",
        code: "missing_model_key",
        request_id: "",
        secret: "OTHER_API_KEY",
      }),
    });
  });
  await page.goto(`${app.url}/tasks/${task.id}`);
  await button("Retry").click();
  await page.getByLabel("OTHER_API_KEY").fill("a-key-of-a-test");
  await screen("task-retry-key");
  await button("Save and start").click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByText("Needs you").first().waitFor();
  expect(messages.splice(0)).toEqual([expect.stringContaining("409")]);
  await page.unroute("**/api/v1/tasks/*/retry");
});

test("the palette makes a task of what is typed; attempts are compared and one is chosen", async () => {
  await page.goto(`${app.url}/`);
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search and commands" }).fill("tour please");
  await page.getByRole("option", { name: "New task: tour please" }).click();
  expect(await text().inputValue()).toBe("tour please");
  // Program and command of the last task are remembered.
  await expect
    .poll(() => page.getByRole("combobox", { name: "Program" }).inputValue())
    .toBe("custom");
  await page.getByRole("combobox", { name: "Attempts" }).selectOption("2");
  await text().press("Control+Enter");
  for (const attempt of ["Attempt 1", "Attempt 2"]) {
    await page.getByRole("tab", { name: attempt }).click();
    await page.getByRole("tab", { name: attempt, selected: true }).waitFor();
    await button("Allow: Write greeting.md").click();
    await transcript().getByText("Allowed by Ada: Write greeting.md").waitFor();
    if (attempt === "Attempt 1") await screen("task-attempts");
  }
  await page.getByText("In review").first().waitFor();
  await page.getByRole("tab", { name: "Compare" }).click();
  await page.getByRole("listitem", { name: "Attempt 2" }).getByText("1 file").waitFor();
  await screen("task-compare");
  await button("Choose attempt 2").click();
  await button("Choose attempt").click();
  await page.getByText("Attempt 2 · chosen").waitFor();
});

test("canceling shows what is lost", async () => {
  await button("Cancel task").click();
  await page
    .getByText(/Not merged: /)
    .first()
    .waitFor();
  await screen("task-cancel");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel task" }).click();
  await page
    .getByText(/^●?Canceled$/)
    .first()
    .waitFor();
  expect(messages).toEqual([]);
});

test("several tasks are merged at once", async () => {
  const other = await makeProject(owner, project.organization_id);
  const ids: string[] = [];
  for (const body of ["tool", "say Hello?"]) {
    const { data } = await owner.api.tasks.create({
      params: { project_id: other.id },
      body: { body, title: `Bulk ${body}`, preset: "custom", command: [...acpAgent("load")] },
    });
    ids.push(data.id);
  }
  const status = async (at: number): Promise<string> =>
    (await owner.api.tasks.get({ params: { task_id: ids[at] ?? "" } })).data.status;
  await expect.poll(() => status(0), { timeout: 30_000 }).toBe("in_review");
  await expect.poll(() => status(1), { timeout: 30_000 }).toBe("needs_you");
  await page.goto(`${app.url}/projects/${other.id}/tasks?q=Bulk`);
  const boxes = page.getByRole("checkbox", { name: /^Select/ });
  await expect.poll(() => boxes.count()).toBe(2);
  for (const box of await boxes.all()) await box.check();
  await screen("tasks-merge");
  await button("Merge…").click();
  await button("Merge tasks").click();
  await expect.poll(() => status(0)).toBe("done");
});

test("a protected branch needs another person, who approves on the same page", async () => {
  await owner.api.projects.update({
    params: { project_id: project.id },
    body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
  });
  const { data: task } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body: "tour", preset: "custom", command: [...acpAgent()] },
  });
  await page.goto(`${app.url}/tasks/${task.id}`);
  await button("Allow: Write greeting.md").click();
  await button("Approve and merge").click();
  await page.getByText(/someone else has to approve/).waitFor();
  await screen("task-waits-for-approval");
  const params = { org_id: project.organization_id };
  const admin = await app.person("Bea");
  await owner.api.members.add({
    params,
    body: { user_id: admin.id, role_id: systemRoleIds.admin },
  });
  const other = await signedInPage(browser, app, admin);
  await other.goto(`${app.url}/tasks/${task.id}`);
  await other.getByRole("button", { name: "Approve and merge" }).click();
  await other
    .getByText(/^●?Done$/)
    .first()
    .waitFor();
  await page
    .getByText(/^●?Done$/)
    .first()
    .waitFor();
  await other.context().close();
  expect(messages).toEqual([]);
});
