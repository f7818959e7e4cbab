import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { git, gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { launchBrowser, look, signedInPage, screenshot, watchConsole } from "./support/browser.js";

/** Predicted conflicts and the commit graph on open pages. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let project: Project;
let one: Workspace;
let two: Workspace;

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  project = await makeProjectWith(owner, org.id, {
    "src/auth/oauth2_handler.py": "a\nb\nc\n",
    "src/app.py": "1\n2\n3\n",
  });
  one = (await makeWorkspace(owner, project.id)).workspace;
  two = (await makeWorkspace(owner, project.id)).workspace;
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const card = (title: string) =>
  page.locator("section").filter({ has: page.getByRole("heading", { name: title, exact: true }) });

test("a predicted conflict appears on an open workspace page and disappears", async () => {
  await page.goto(`${app.url}/agents/${one.agent_id}/workspace`);
  const predicted = card("Predicted conflicts");
  await predicted.getByText("None with").waitFor();
  await commitFiles(owner, one, {
    "src/auth/oauth2_handler.py": "a\nB\nc\n",
    "src/app.py": "1\nTWO\n3\n",
    "new.py": "one\n",
  });
  await commitFiles(owner, two, {
    "src/auth/oauth2_handler.py": "a\nbe\nc\n",
    "new.py": "two\n",
  });
  await predicted.getByText("2 conflicts").waitFor();
  await predicted.getByText("src/auth/oauth2_handler.py").waitFor();
  expect(await predicted.getByText(`${two.agent_name} would win`).count()).toBe(2);
  await predicted.getByText("As of the last commits").waitFor();
  await look(page, "workspace-predicted-conflicts", "Predicted conflicts");
  await predicted.getByRole("link", { name: two.agent_name, exact: true }).click();
  await page.waitForURL(`${app.url}/agents/${two.agent_id}/workspace`);
  await card("Predicted conflicts").getByText("2 conflicts").waitFor();
  await mergeIntoBase(owner, one);
  await card("Predicted conflicts").getByText("the base branch").waitFor();
  await card("Predicted conflicts").getByRole("link", { name: "Preview merge" }).click();
  await page.waitForURL(new RegExp(`/agents/${two.agent_id}/workspace/merge$`));
  await page.getByText("src/auth/oauth2_handler.py").first().waitFor();
});

test("the project's overview lists conflicting workspaces", async () => {
  const three = (await makeWorkspace(owner, project.id)).workspace;
  await commitFiles(owner, three, { "new.py": "three\n" }, "validation");
  await page.goto(`${app.url}/projects/${project.id}`);
  const table = page.getByRole("table", { name: "Predicted conflicts" });
  await table.getByRole("row").nth(1).waitFor();
  await commitFiles(owner, three, { "new.py": "three\n", "src/app.py": "1\nzwei\n3\n" }, "final");
  await look(page, "project-predicted-conflicts", "Predicted conflicts");
  await table.getByRole("link", { name: two.agent_name, exact: true }).first().waitFor();
});

test("the graph shows new commits, and opens commits and merges by keyboard", async () => {
  await page.goto(`${app.url}/projects/${project.id}/branches`);
  const graph = page.getByRole("grid", { name: "Commits, newest first" });
  await graph.getByText(`Merge ${one.branch_name} into main`).waitFor();
  const commit = await commitFiles(owner, one, { "later.py": "later\n" }, "manual");
  const row = graph.getByRole("link", { name: `[Agent ${one.agent_name}] Commit` });
  await row.waitFor();
  await look(page, "project-graph", "Commit graph");
  const dots = await graph.getByRole("row").count();
  const commitCount = (
    await gitInRepository(app, project, "rev-list", "--count", "--branches")
  ).trim();
  expect(dots).toBe(Number(commitCount));
  const at = (): Promise<string | null> => graph.locator(":focus > [title]").getAttribute("title");
  await graph.getByRole("row").first().focus();
  while (!(await at())?.endsWith(commit.commit_sha)) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/workspace/commits/${commit.commit_sha}$`));
  await page.goBack();
  await graph.getByRole("link", { name: `Merge ${one.branch_name} into main` }).click();
  await page.waitForURL(/\/workspace\/merges\//);
});

test("the checkpoint interval is set under Settings; why a checkpoint failed is shown", async () => {
  const params = { agent_id: two.agent_id };
  const settings = async () => (await owner.api.workspaces.get({ params })).data.settings;
  await page.goto(`${app.url}/agents/${two.agent_id}/workspace?tab=settings`);
  const field = page.getByLabel(/^Checkpoint interval/);
  const save = page.getByRole("button", { name: "Save Changes", exact: true });
  await field.fill("0");
  await save.click();
  await page.getByText("must be at least 1 minute", { exact: false }).first().waitFor();
  await field.fill("1");
  await save.click();
  await expect.poll(async () => (await settings()).checkpoint_interval_minutes).toBe(1);
  await git(["init", "--quiet", join(folderOf(two), "lib")]);
  await queryAsOwner(app, "update workspaces set created_at = now() - interval '1 hour'");
  await queryAsOwner(app, "update checkpoint_looks set looked_at = now() - interval '1 hour'");
  await page.getByRole("link", { name: "Commits", exact: true }).click();
  await page.getByText("Auto checkpoint failed").waitFor({ timeout: 90_000 });
  await look(page, "workspace-checkpoint-failed", "Workspace Details");
  await page.getByRole("link", { name: "Settings", exact: true }).click();
  await field.scrollIntoViewIfNeeded();
  await screenshot(page, "workspace-checkpoint-interval");
  await field.fill("");
  await save.click();
  await expect.poll(async () => (await settings()).checkpoint_interval_minutes).toBeNull();
  // The console has the rejected requests: the interval, and the list of unsaved changes.
  expect(messages.filter((text) => !text.includes("422"))).toEqual([]);
  messages.length = 0;
});
