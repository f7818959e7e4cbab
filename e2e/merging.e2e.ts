import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { expectAccessible } from "./support/accessible.js";
import { launchBrowser, signedInPage, watchConsole } from "./support/browser.js";

/** The short way through conflicts; the long ones are in the thorough file. */
let app: TestApp;
let browser: Browser;
let page: Page;
let messages: string[];
let project: Project;
let workspace: Workspace;

beforeAll(async () => {
  app = await startTestApp();
  const owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const files = (word: string) => ({ "a.txt": `${word}\n`, "crlf.txt": `${word}\r\ntwo\r\n` });
  project = await makeProjectWith(owner, org.id, files("base"));
  const first = (await makeWorkspace(owner, project.id)).workspace;
  workspace = (await makeWorkspace(owner, project.id)).workspace;
  await commitFiles(owner, first, files("target"));
  await mergeIntoBase(owner, first);
  await commitFiles(owner, workspace, files("source"));
  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const onMain = (path: string): Promise<string> =>
  gitInRepository(app, project, "show", `main:${path}`);

test("conflicts are decided by a shortcut and by hand, and merged", async () => {
  await page.goto(`${app.url}/agents/${workspace.agent_id}/workspace`);
  await button("Merge into main").click();
  await page.waitForURL(/\/workspace\/merge$/);
  await page.getByText("2 conflicts would be resolved as shown below").waitFor();
  await page.getByLabel("Strategy").selectOption("manual");
  await page.getByText("0 of 2 decided").waitFor();
  expect(await button("Merge").getAttribute("aria-disabled")).toBe("true");
  await page.getByRole("main").focus();
  await page.keyboard.press("j");
  const file = page.getByRole("region", { name: "Conflict in a.txt" });
  await expect
    .poll(() => file.evaluate((element) => element.ownerDocument.activeElement === element))
    .toBe(true);
  await page.keyboard.press("s");
  await page.getByText("1 of 2 decided").waitFor();
  const crlf = page.getByRole("region", { name: "Conflict in crlf.txt" });
  await crlf.getByRole("button", { name: "Edit the content" }).click();
  await crlf.getByLabel("Content of crlf.txt").fill("both\ntwo\n");
  await page.getByText("2 of 2 decided").waitFor();
  await expectAccessible(page);
  await page.getByRole("heading", { name: /would change on main/ }).waitFor();
  await button("Merge").click();
  await page.waitForURL(/\/merges\/[^/]+$/);
  await page.getByRole("heading", { name: "2 resolved conflicts" }).waitFor();
  await expectAccessible(page);
  expect(await onMain("a.txt")).toBe("source");
  // The file's own line endings, which a text field does not keep.
  expect(await onMain("crlf.txt")).toBe("both\r\ntwo\r");
  expect(messages).toEqual([]);
});
