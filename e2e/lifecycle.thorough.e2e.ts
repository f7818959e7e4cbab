// Thorough: archives, restores, terminations and deletions in the browser; the API's are in the gate.
import type { Browser, Page, Response } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { launchBrowser, look, signedInPage, watchConsole } from "./support/browser.js";

/** A workspace is archived and restored; an agent and a project are deleted. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let project: Project;
let agent: Agent;

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  project = await makeProjectWith(owner, org.id, { "a.txt": "base\n" });
  const made = await makeWorkspace(owner, project.id);
  agent = made.agent;
  await commitFiles(owner, made.workspace, { "b.txt": "kept\n" });
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });

async function confirm(opener: string, word: string, verb: string, name: string): Promise<void> {
  await button(opener).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await look(page, `lifecycle-${name}`);
  const does = dialog.getByRole("button", { name: verb, exact: true });
  expect(await does.getAttribute("aria-disabled")).toBe("true");
  await dialog.getByLabel(/^Type/).fill(word);
  await does.click();
}

test("a workspace is archived, shows its deadline, and is restored", async () => {
  await page.goto(`${app.url}/agents/${agent.id}/workspace?tab=settings`);
  await button("Archive workspace…").waitFor();
  await button("Archive workspace…").scrollIntoViewIfNeeded();
  await look(page, "workspace-settings");
  await confirm("Archive workspace…", agent.name, "Archive", "archive-dialog");
  await page.getByText("This workspace is archived").waitFor();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.evaluate("scrollTo(0, 0)");
  await look(page, "workspace-archived");
  await button("Restore").click();
  await page.getByText("This workspace is archived").waitFor({ state: "detached" });
  const params = { agent_id: agent.id };
  // The page shows the restore from its beginning.
  const status = async () => (await owner.api.workspaces.get({ params })).data.status;
  await expect.poll(status).toBe("active");
});

test("a terminated agent leaves the list; its page shows its state", async () => {
  await page.goto(`${app.url}/agents/${agent.id}/workspace?tab=settings`);
  await confirm("Terminate agent…", agent.name, "Terminate", "terminate-agent-dialog");
  await page.waitForURL(`${app.url}/projects/${project.id}`);
  await page.getByRole("heading", { name: "Running agents" }).waitFor();
  await look(page, "project");
  await page.getByRole("link", { name: "All agents" }).click();
  const agents = page.getByRole("table", { name: "Agents", exact: true });
  await agents.getByRole("row").nth(1).waitFor();
  expect(await agents.getByRole("link", { name: agent.name, exact: true }).count()).toBe(0);
  await page.goto(`${app.url}/agents/${agent.id}/workspace`);
  await page.getByText("This agent has been terminated.").waitFor();
  expect(await button("Restore").getAttribute("aria-disabled")).toBe("true");
  await look(page, "agent-terminated");
});

test("a project is deleted", async () => {
  await page.goto(`${app.url}/projects/${project.id}/settings`);
  await button("Delete project…").scrollIntoViewIfNeeded();
  // The deletion event arrives before the response of the page's own request.
  let answer = (): void => {};
  const heard = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let reloaded: Promise<Response> | undefined;
  await page.route(`**/api/v1/projects/${project.id}`, async (route) => {
    if (route.request().method() !== "DELETE") return route.continue();
    reloaded = page.waitForResponse(/\/organizations\?/);
    const response = await route.fetch();
    await heard;
    return route.fulfill({ response });
  });
  await confirm("Delete project…", project.slug, "Delete", "delete-project-dialog");
  await expect.poll(() => reloaded).toBeDefined();
  expect(await page.getByRole("dialog").isVisible()).toBe(true);
  answer();
  await page.waitForURL(`${app.url}/projects`);
  await page.getByRole("heading", { name: "No projects yet" }).waitFor();
  expect(await page.getByRole("link", { name: project.name }).count()).toBe(0);
  // The list of changes may be refetched while its workspace is archived; that request fails and is
  // ignored.
  expect(messages.filter((text) => !text.includes("409 (Conflict)"))).toEqual([]);
  // Going back does not show it either.
  await page.goBack();
  await page.getByText("The project was not found").waitFor();
});
