import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { IncomingMessage } from "node:http";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCloneFactory } from "#test/support/git/clone.js";
import {
  commitFiles,
  makeOrganization,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { commitToRepository, git, makeRepository, makeTempFolder } from "#test/support/git/git.js";
import {
  startHttpsUpstream,
  upstreamCaFile,
  type HttpsUpstream,
} from "#test/support/git/upstream-servers.js";
import { expectAccessibleInBothSchemes } from "./support/accessible.js";
import { launchBrowser, screenshot, watchConsole } from "./support/browser.js";

/** A private upstream, from its first import to diverged branches, in the browser. */
const token = "ghp_a-token-that-nobody-may-see-9Zq1";
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let root: string;
let source: string;
let upstream: HttpsUpstream;
let projectId: string;

beforeAll(async () => {
  app = await startTestApp({
    OMOI_IMPORT_PRIVATE_HOSTS: "true",
    OMOI_IMPORT_CA_FILE: upstreamCaFile,
  });
  owner = await app.person("Ada");
  await makeOrganization(owner);
  root = await makeTempFolder();
  source = join(root, "site");
  await makeRepository(source, { "README.md": "# Site\n" });
  await git(["config", "receive.denyCurrentBranch", "updateInstead"], { cwd: source });
  upstream = await startHttpsUpstream(root);
  upstream.users.set("ada", token);
  browser = await launchBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${app.url}/login`);
  await page.getByLabel("Email address").fill(owner.email);
  await page.getByLabel("Password", { exact: true }).fill(owner.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL(`${app.url}/`);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await upstream.close();
  await app.close();
  await rm(root, { recursive: true, force: true });
});

const card = () =>
  page
    .locator("section")
    .filter({ has: page.getByRole("heading", { name: "Upstream", exact: true }) });
const button = (name: string) => card().getByRole("button", { name, exact: true });

/** Takes screenshots at wide, medium and narrow widths, in light and dark mode. */
async function look(name: string): Promise<void> {
  for (const [width, height] of [
    [1440, 900],
    [1024, 768],
    [320, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    await expectAccessibleInBothSchemes(page, `${name} at ${width} px`);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await card().scrollIntoViewIfNeeded();
      await screenshot(page, `${name}-${width}-${colorScheme}`);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Makes the upstream accept connections without a response, until the returned function is called. */
function hold(): () => void {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  upstream.gate = async ({ method }: IncomingMessage) => {
    if (method === "POST") await released;
  };
  return () => {
    upstream.gate = async () => undefined;
    release();
  };
}

test("a private repository is imported with a login, also after a wrong login", async () => {
  await page.goto(`${app.url}/projects?new=true`);
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("Site");
  await dialog.getByLabel("Import from a repository").check();
  await dialog.getByLabel("Repository URL").fill(upstream.url("site/.git"));
  await dialog.getByLabel("It is private").check();
  await dialog.getByLabel("Access token").fill("one-that-has-expired");
  await dialog.getByLabel("User name").fill("ada");
  await dialog.getByRole("button", { name: "Create project" }).click();
  await page.getByRole("link", { name: "Site", exact: true }).first().click();
  await page.waitForURL(/\/projects\/[^/?]+$/);
  projectId = new URL(page.url()).pathname.split("/").at(-1) as string;

  await page
    .getByText(/expired or revoked/)
    .first()
    .waitFor();
  await look("upstream-failed");
  await button("Replace").click();
  await dialog.getByLabel("Access token").fill(token);
  await dialog.getByLabel("User name").fill("ada");
  await dialog.getByRole("button", { name: "Save credential" }).click();
  await dialog.waitFor({ state: "hidden" });
  await button("Import again").click();
  await card().waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Branches", exact: true }).click();
  await card().getByText("The same on both sides").waitFor();
  await card().getByText("…9Zq1").waitFor();
  expect(await page.content()).not.toContain(token);
});

test("a fetch shows its progress, is canceled, and then fetches new commits", async () => {
  await commitToRepository(source, { "src/app.ts": "export {};\n" });
  const release = hold();
  await button("Fetch").click();
  await card().getByRole("progressbar", { name: "Fetching" }).waitFor();
  await look("upstream-fetching");
  await button("Cancel").click();
  await page.getByText("The fetch is canceled").waitFor();
  await card().getByRole("progressbar").waitFor({ state: "detached" });
  release();
  await button("Fetch").click();
  await card().getByText("Moved forward: main").waitFor();
});

test("local merges are pushed upstream", async () => {
  const { workspace } = await makeWorkspace(owner, projectId);
  await commitFiles(owner, workspace, { "src/own.ts": "export const own = 1;\n" });
  await mergeIntoBase(owner, workspace);
  await card().getByText("2 commits to push").waitFor();
  await button("Push main").click();
  await card().getByText("The same on both sides").waitFor();
  expect(await git(["log", "--format=%s", "-1", "main"], { cwd: source })).toContain("Merge");
});

test("diverged branches show instructions that work", async () => {
  const { workspace } = await makeWorkspace(owner, projectId);
  await commitFiles(owner, workspace, { "src/here.ts": "export const here = 1;\n" });
  await mergeIntoBase(owner, workspace);
  await commitToRepository(source, { "src/there.ts": "export const there = 1;\n" });
  await button("Fetch").click();
  await card().getByText("With commits on both sides, and left as they are:").waitFor();
  await card().getByText("only upstream: to be brought together before a push").waitFor();
  await look("upstream-diverged");

  const command = await card()
    .getByText(/^git fetch origin/)
    .textContent();
  const { data: key } = await owner.api.apiKeys.create({ body: { name: "clone" } });
  const { data: project } = await owner.api.projects.get({ params: { project_id: projectId } });
  const clones = await openCloneFactory();
  const url = `${app.url}${new URL(project.clone_url).pathname}`;
  const clone = await clones.clone(url, key.key as string);
  for (const step of (command as string).split(" && ")) {
    await clone.git(...step.split(" ").slice(1));
  }
  await clones.dispose();
  await card()
    .getByText(/commits to push/)
    .waitFor();
  await button("Push main").click();
  await card().getByText("The same on both sides").waitFor();
  expect(
    (await git(["ls-tree", "-r", "--name-only", "main"], { cwd: source })).split("\n"),
  ).toEqual(expect.arrayContaining(["src/here.ts", "src/there.ts"]));
  expect(messages).toEqual([]);
});
