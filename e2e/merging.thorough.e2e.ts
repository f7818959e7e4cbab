// Thorough: long ways through conflicts, a restore, reverts and a sync.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, signedInPage, screenshot, watchConsole } from "./support/browser.js";

/** Manual conflict resolution, merge, restore, revert and sync through the pages. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let viewer: TestPerson;
let page: Page;
let messages: string[];
let project: Project;
let first: Workspace;
let second: Workspace;

const lines = (word: string): string =>
  Array.from({ length: 40 }, (_, at) =>
    at === 20 ? `  return ${word}();` : `  step(${at}); // as it was`,
  ).join("\n");

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  viewer = await app.person("Vera");
  const org = await makeOrganization(owner);
  const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
  await owner.api.members.add({ params: { org_id: org.id }, body });
  project = await makeProjectWith(owner, org.id, {
    "src/auth/handler.ts": lines("base"),
    "src/auth/token.ts": lines("base"),
    "old.txt": "base\n",
    "crlf.txt": "one\r\ntwo\r\n",
  });
  first = (await makeWorkspace(owner, project.id)).workspace;
  second = (await makeWorkspace(owner, project.id)).workspace;
  await commitFiles(owner, first, {
    "src/auth/handler.ts": lines("target"),
    "src/auth/token.ts": lines("target"),
    "old.txt": "target\n",
    "crlf.txt": "target\r\ntwo\r\n",
  });
  await mergeIntoBase(owner, first);
  await writeFiles(second, {
    "src/auth/handler.ts": lines("source"),
    "src/auth/token.ts": lines("source"),
    "crlf.txt": "source\r\ntwo\r\n",
    "new/file.ts": "export const added = true;\n",
  });
  await rm(join(folderOf(second), "old.txt"));
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string | RegExp, where: Page | Locator = page) =>
  where.getByRole("button", { name, exact: true });
const conflict = (path: string) => page.getByRole("region", { name: `Conflict in ${path}` });
const onMain = (path: string): Promise<string> =>
  gitInRepository(app, project, "show", `main:${path}`);

test("conflicts are resolved manually, and decisions survive reloads", async () => {
  await page.goto(`${app.url}/agents/${second.agent_id}/workspace`);
  await button("Merge into main").click();
  await page.waitForURL(/\/workspace\/merge$/);
  await page.getByText("4 conflicts would be resolved as shown below").waitFor();
  await conflict("old.txt").getByText("newest_file_wins", { exact: false }).waitFor();
  await expectAccessible(page);

  await page.getByLabel("Strategy").selectOption("manual");
  await page.waitForURL(/strategy=manual/);
  await page.getByText("0 of 4 decided").waitFor();
  expect(await button("Merge").getAttribute("aria-disabled")).toBe("true");
  await expectAccessible(page);
  await screenshot(page, "merge-conflicts");

  // By shortcuts: the third conflict, the right side; then the next unresolved one, the left side.
  await page.getByRole("main").focus();
  const handler = conflict("src/auth/handler.ts");
  for (const key of ["j", "j", "j"]) await page.keyboard.press(key);
  await expect
    .poll(() => handler.evaluate((element) => element.ownerDocument.activeElement === element))
    .toBe(true);
  await page.keyboard.press("s");
  await page.getByText("1 of 4 decided").waitFor();
  await page.keyboard.press("u");
  await page.keyboard.press("t");
  await page.getByText("2 of 4 decided").waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("Take the target's version or lines").waitFor();
  await expectAccessible(page);
  await page.keyboard.press("Escape");

  const crlf = conflict("crlf.txt");
  await crlf.getByRole("button", { name: "Edit the content" }).click();
  await crlf.getByLabel("Content of crlf.txt").fill("both\ntwo\n");
  await page.getByText("3 of 4 decided").waitFor();
  await expectAccessible(page);

  // The decisions survive a reload and a visit to another page.
  await page.reload();
  await page.getByText("3 of 4 decided").waitFor();
  expect(await crlf.getByLabel("Content of crlf.txt").inputValue()).toBe("both\ntwo\n");

  // Meanwhile main moves and changes one of the resolved conflicts.
  const third = (await makeWorkspace(owner, project.id)).workspace;
  await commitFiles(owner, third, { "crlf.txt": "moved\r\ntwo\r\n" });
  await mergeIntoBase(owner, third);
  await page.getByText("1 decision no longer applies").waitFor();
  await page.getByText("2 of 4 decided").waitFor();
  await button("Discard it").click();
  await crlf.getByRole("button", { name: "Edit the content" }).click();
  await crlf.getByLabel("Content of crlf.txt").fill("both\ntwo\n");
  await button(/^Delete, as source/, conflict("old.txt")).click();
  await page.getByText("4 of 4 decided").waitFor();

  // By hunk, with the keyboard: the decision is open until each hunk is decided.
  const token = conflict("src/auth/token.ts");
  await token.focus();
  await page.keyboard.press("h");
  await page.getByText("3 of 4 decided").waitFor();
  await expectAccessible(page);
  await screenshot(page, "merge-hunks");
  const hunk = token.getByRole("region", { name: "Hunk 1" });
  await expect
    .poll(() => hunk.evaluate((element) => element.ownerDocument.activeElement === element))
    .toBe(true);
  await page.keyboard.press("b");
  await page.getByText("4 of 4 decided").waitFor();
  await page.reload();
  await token.getByText("All 1 hunk decided").waitFor();
  await token.getByRole("button", { name: "Edit the content" }).click();
  const edited = token.getByLabel("Content of src/auth/token.ts");
  expect(await edited.inputValue()).toMatch(/return target\(\);\n.*return source\(\);/);
  await button("Start from the merged text", token).click();
  await token.getByText("Conflict markers are left.", { exact: false }).waitFor();
  await page.getByText("3 of 4 decided").waitFor();
  await button(/^Decide 1 hunk/, token).click();
  await button("Target", token).click();
  await page.getByText("4 of 4 decided").waitFor();
  // One side as a whole again, so that the other can be restored.
  await button(/^Take target/, token).click();
  await page.getByRole("heading", { name: /files would change on main/ }).waitFor();
  await button("Merge").click();
  await page.waitForURL(/\/merges\/[^/]+$/);
  await page.getByRole("heading", { name: "4 resolved conflicts" }).waitFor();
  // The merged commits, their author and the diff.
  await page.getByText("Author:").waitFor();
  await page.getByRole("heading", { name: /^\d+ commits?$/ }).waitFor();
  await page.getByRole("heading", { name: /files changed on main/ }).waitFor();
  // The file's own line endings, which a text field does not keep.
  expect(await onMain("crlf.txt")).toBe("both\r\ntwo\r");
  expect(await onMain("src/auth/handler.ts")).toContain("return source();");
  expect(await onMain("src/auth/token.ts")).toContain("return target();");
  expect(messages).toEqual([]);
});

test("losing versions are restored; the merge is reverted and the revert reverted", async () => {
  const merge = page.url();
  await conflict("src/auth/handler.ts").getByText("return target();").waitFor();
  await expectAccessible(page);
  await button("Restore the other version of src/auth/handler.ts").click();
  await page.waitForURL(/\/restore\?/);
  await page.getByText("No conflicts: 1 file would change on main.").waitFor();
  await page.getByRole("checkbox", { name: /^src\/auth\/token\.ts/ }).check();
  await page.getByText("No conflicts: 2 files would change on main.").waitFor();
  await page.getByRole("checkbox", { name: /^src\/auth\/token\.ts/ }).uncheck();
  await page.getByText("No conflicts: 1 file would change on main.").waitFor();
  await expectAccessible(page);
  await button("Restore").click();
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Restore [0-9a-f]{12}$/)
    .waitFor();
  expect(await onMain("src/auth/handler.ts")).toContain("return target();");
  await page.getByText("Restores from:").waitFor();
  await page
    .getByRole("main")
    .getByRole("link", { name: /^Merge [0-9a-f]{12}$/ })
    .click();
  await page.waitForURL(merge);

  // main moves on, so that reverting the merge causes a conflict.
  const fourth = (await makeWorkspace(owner, project.id)).workspace;
  await commitFiles(owner, fourth, { "crlf.txt": "later\r\n" });
  await mergeIntoBase(owner, fourth);
  await button("Revert this merge…").click();
  await page.waitForURL(/\/revert$/);
  await page.getByText("0 of 1 decided").waitFor();
  await expectAccessible(page);
  await button("Next undecided").click();
  await page.keyboard.press("t");
  await page.getByText("1 of 1 decided").waitFor();
  await button("Revert").click();
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Revert [0-9a-f]{12}$/)
    .waitFor();
  expect(await onMain("old.txt")).toBe("target");
  expect(await onMain("crlf.txt")).toBe("later\r");
  await expect(onMain("new/file.ts")).rejects.toThrow();
  await page.getByText("Reverts:").waitFor();
  await page.goto(merge);
  await page.getByText("Reverted by:").waitFor();
  await expect
    .poll(() => button("Revert this merge…").getAttribute("title"))
    .toMatch(/^It is reverted/);
  expect(messages).toEqual([]);
});

test("a sync merges main into the workspace, with conflicts", async () => {
  await page.goto(`${app.url}/agents/${second.agent_id}/workspace`);
  await page.getByText(/behind main/).waitFor();
  await writeFiles(second, { "crlf.txt": "mine\r\n" });
  await button("Sync from main").click();
  await page.waitForURL(/\/sync$/);
  await page.getByText("1 conflict would be resolved as shown below.", { exact: false }).waitFor();
  await page.getByLabel("Strategy").selectOption("target_wins");
  await conflict("crlf.txt").getByText("target_wins", { exact: false }).waitFor();
  await expectAccessible(page);
  await button("Sync").click();
  await page
    .getByLabel("Breadcrumbs")
    .getByText(/^Sync [0-9a-f]{12}$/)
    .waitFor();
  await page.goto(`${app.url}/agents/${second.agent_id}/workspace?tab=conflicts`);
  await page.waitForURL(/\/conflicts$/);
  await page.getByText("Sync:").waitFor();
  await page.getByRole("link", { name: "Commits", exact: true }).click();
  await page.getByText(/ahead of main/).waitFor();
  await page.getByRole("group", { name: "Type of commits" }).getByText("Merge").click();
  await page.getByText(/^Merge main into/).waitFor();
  // The previous rows stay until the others have loaded.
  await expect.poll(() => page.getByText(/\] Checkpoint$/).count()).toBe(0);
  expect(messages).toEqual([]);
});

test("a merge continues when its page is left; a failed load can be retried", async () => {
  await commitFiles(owner, second, { "later.txt": "later\n" });
  const previews = "**/workspace/previews";
  await page.route(previews, (route) => route.abort());
  await page.goto(`${app.url}/agents/${second.agent_id}/workspace/merge`);
  await page.getByText("The server does not answer.", { exact: false }).waitFor();
  await expectAccessible(page);
  await page.unroute(previews);
  // On a concurrent change the page refreshes automatically and the button is gone.
  await button("Refresh")
    .click({ timeout: 5000 })
    .catch(() => undefined);
  await page.getByRole("heading", { name: /would change on main/ }).waitFor();

  let goOn = (): void => {};
  const wait = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await page.route("**/workspace/merges", async (route) => {
    const response = await route.fetch();
    await wait;
    await route.fulfill({ response });
  });
  // Until its script has arrived, the page that was left is still shown.
  let arrive = (): void => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  await page.route("**/assets/AgentsPage-*.js", async (route) => {
    await arrived;
    await route.continue();
  });
  await button("Merge").click();
  await expect.poll(() => button("Merge").getAttribute("aria-busy")).toBe("true");
  await page
    .getByRole("navigation", { name: "Main" })
    .getByRole("link", { name: "Agents" })
    .click();
  await page.waitForURL(/\/agents$/);
  goOn();
  await page.getByText("Merged into main", { exact: false }).waitFor();
  arrive();
  await page.getByRole("heading", { name: "Agents" }).waitFor();
  expect(page.url()).toMatch(/\/agents$/);
  expect(await onMain("later.txt")).toBe("later");
  await page.unrouteAll();
  // Browsers log failed requests to the console.
  messages.length = 0;
});

test("a viewer sees everything, and why actions are disabled", async () => {
  const other = await signedInPage(browser, app, viewer);
  await other.goto(`${app.url}/agents/${second.agent_id}/workspace`);
  for (const name of ["Merge into main", "Sync from main", "Checkpoint"]) {
    await expect
      .poll(() => button(name, other).getAttribute("title"))
      .toMatch(/^Your role \(viewer\) may not/);
  }
  await other.goto(`${app.url}/agents/${second.agent_id}/workspace/merge?strategy=manual`);
  await expect
    .poll(() => button("Merge", other).getAttribute("title"))
    .toMatch(/^Your role \(viewer\)/);
  await expectAccessible(other);
  await other.context().close();
});
