/// <reference lib="dom" />
import { chmod, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { expectAccessible, expectFits } from "./support/accessible.js";
import { launchBrowser, signedInPage, watchConsole } from "./support/browser.js";

/** A diff of many files, including large and hostile ones. */
let app: TestApp;
let browser: Browser;
let owner: TestPerson;
let page: Page;
let messages: string[];
let workspace: Workspace;
let sha: string;

const manyLines = (word: string): string =>
  Array.from({ length: 10_000 }, (_, at) => `${word} ${at}`).join("\n");

beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const project = await makeProjectWith(owner, org.id, {
    "src/a.ts": "const a = 1;\n",
    "src/web/b.ts": "const b = 1;\n",
    "moved.txt": "the same\n".repeat(20),
    "run.sh": "#!/bin/sh\n",
  });
  workspace = (await makeWorkspace(owner, project.id)).workspace;
  const folder = folderOf(workspace);
  const many = Array.from({ length: 180 }, (_, at) => [`many/file-${at}.ts`, `let x = ${at};\n`]);
  await writeFiles(workspace, {
    ...Object.fromEntries(many),
    "src/a.ts": "const a = 2; // \u202efdp.exe\u202c\n",
    "src/web/b.ts": `const b = 2; // ${"ordinary words with whole letters ".repeat(20)}\n`,
    "evil\u202egnp.exe": "<img src=x onerror=alert(1)>\n",
    "long.txt": manyLines("line"),
  });
  await rename(join(folder, "moved.txt"), join(folder, "here.txt"));
  await chmod(join(folder, "run.sh"), 0o755);
  await symlink("/etc/passwd", join(folder, "link"));
  await writeFile(join(folder, "image.bin"), Buffer.from([0, 1, 2, 255]));
  sha = (await commitFiles(owner, workspace, {})).commit_sha;

  browser = await launchBrowser();
  page = await signedInPage(browser, app, owner);
  messages = watchConsole(page);
});
afterAll(async () => {
  await browser.close();
  await app.close();
});

const section = (path: string) => page.getByRole("region", { name: path, exact: true });
const button = (name: string) => page.getByRole("button", { name, exact: true });
const open = async (): Promise<void> => {
  await page.goto(`${app.url}/agents/${workspace.agent_id}/workspace/commits/${sha}`);
  await page.getByRole("heading", { name: /^188 files changed/ }).waitFor();
};

test("file contents are shown without executing or misleading anything", async () => {
  await open();
  const hidden = section("evil⟨U+202E⟩gnp.exe");
  await hidden.getByText("<img src=x onerror=alert(1)>").waitFor();
  expect(await page.locator("img[src=x]").count()).toBe(0);
  await section("src/a.ts").scrollIntoViewIfNeeded();
  await section("src/a.ts")
    .getByText(/⟨U\+202E⟩fdp\.exe⟨U\+202C⟩/)
    .first()
    .waitFor();
  await section("image.bin").getByText("Binary file", { exact: false }).waitFor();
  await section("link").getByText("Symbolic link", { exact: false }).waitFor();
  await section("run.sh").getByText("100644 (file) to 100755 (executable file)").waitFor();
  await section("here.txt").getByText("Renamed without changes.").waitFor();
  expect(messages).toEqual([]);
});

test("ten thousand lines are searchable, and only visible ones are rendered", async () => {
  await open();
  const long = section("long.txt");
  // The page has the whole diff as text, for the browser's search; only a part is rendered as a table.
  await long.getByText("line 9999", { exact: false }).first().waitFor({ state: "attached" });
  await long.scrollIntoViewIfNeeded();
  await long.locator("table").first().waitFor();
  expect(await long.locator("tr").count()).toBeLessThan(4000);
  expect(messages).toEqual([]);
});

test("without the diff viewer the lines are shown as plain text", async () => {
  const cut = await signedInPage(browser, app, owner);
  const viewer = "**/diff-viewer-*.js";
  await cut.route(viewer, (route) => route.abort());
  const failed = cut.waitForEvent("requestfailed", (request) =>
    request.url().includes("diff-viewer-"),
  );
  await cut.goto(`${app.url}/agents/${workspace.agent_id}/workspace/commits/${sha}`);
  await failed;
  const first = cut.getByRole("region", { name: "src/a.ts", exact: true });
  await first.getByText("+const a = 2;", { exact: false }).waitFor({ state: "attached" });
  expect(await cut.locator("table").count()).toBe(0);
  await cut.getByRole("heading", { name: /^188 files changed/ }).waitFor();
  await cut.context().close();
});

test("a long line breaks between words", async () => {
  await open();
  const part = section("src/web/b.ts");
  await part.scrollIntoViewIfNeeded();
  await part.locator("table").first().waitFor();
  const { words, lines, broken } = await part.locator("table").evaluate((table) => {
    const seen = { words: 0, lines: new Set<number>(), broken: [] as string[] };
    const texts = document.createTreeWalker(table, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const node = texts.currentNode as Text;
      for (const { 0: word, index } of node.data.matchAll(/[a-z]{4,}/g)) {
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        const tops = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
        seen.words += 1;
        for (const top of tops) seen.lines.add(top);
        if (tops.size > 1) seen.broken.push(word);
      }
    }
    return { ...seen, lines: seen.lines.size };
  });
  expect(words).toBeGreaterThan(70);
  expect(lines).toBeGreaterThan(3);
  expect(broken).toEqual([]);
});

test("on a phone, a file tree of twelve rows is whole, and a longer one ends within a row", async () => {
  await open();
  await page.setViewportSize({ width: 390, height: 844 });
  const tree = page.getByRole("tree", { name: "Files by folder" });
  const rowHeight = await tree
    .getByRole("treeitem")
    .first()
    .evaluate((row) => row.clientHeight);
  const measure = () =>
    tree.evaluate(({ clientHeight, scrollHeight }) => [clientHeight, scrollHeight]);
  const [height = 0, total = 0] = await measure();
  expect(total).toBeGreaterThan(height);
  expect(height % rowHeight).toBe(rowHeight / 2);
  // A folder and eleven files.
  await page.getByLabel("Filter files by path").fill("many/file-17");
  await expect.poll(measure).toEqual([12 * rowHeight, 12 * rowHeight]);
  await page.setViewportSize({ width: 1440, height: 900 });
});

test("files are found by tree, filter and shortcuts, collapsed and marked as viewed", async () => {
  await open();
  const tree = page.getByRole("tree", { name: "Files by folder" });
  await tree.getByText("many", { exact: true }).click();
  await tree.getByText("b.ts", { exact: true }).click();
  const focused = (path: string) =>
    expect
      .poll(() =>
        section(path).evaluate((element) => element.contains(element.ownerDocument.activeElement)),
      )
      .toBe(true);
  await focused("src/web/b.ts");
  await page.keyboard.press("p");
  await focused("src/a.ts");
  await page.keyboard.press("n");
  await focused("src/web/b.ts");
  await page.keyboard.press("x");
  await button("Expand src/web/b.ts").waitFor();

  await page.getByLabel("Filter files by path").fill("SRC/");
  await expect.poll(() => page.locator("section[id^=file-]").count()).toBe(2);
  await button("Collapse all").click();
  await button("Expand all").click();
  await page.getByLabel("Viewed src/a.ts").check();
  await page.getByText("1 viewed").waitFor();
  await page.getByText("Unified", { exact: true }).click();
  await page.reload();
  await page.getByText("1 viewed").waitFor();
  await section("src/a.ts").scrollIntoViewIfNeeded();
  await button("Expand src/a.ts").waitFor();
  expect(await page.getByRole("radio", { name: "Unified" }).isChecked()).toBe(true);

  // Single-key shortcuts can be turned off.
  await page.getByRole("main").focus();
  await page.keyboard.press("?");
  await page.getByLabel("Single keys act on pages").uncheck();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.keyboard.press("?");
  expect(await page.getByRole("dialog").count()).toBe(0);
  await button("Keyboard shortcuts").click();
  await page.getByLabel("Single keys act on pages").check();
  await page.keyboard.press("Escape");
  expect(messages).toEqual([]);
});

test("diffs fit every screen and are accessible", async () => {
  for (const [width, height, colorScheme] of [
    [320, 844, "dark"],
    [1024, 768, "light"],
    [1440, 900, "dark"],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await open();
    await page.locator("section[id^=file-] table").first().waitFor();
    await expectFits(page, `the diff, ${width}`);
    // A few files of each kind are enough for axe.
    await page.getByLabel("Filter files by path").fill("r");
    await expect.poll(() => page.locator("section[id^=file-]").count()).toBe(4);
    await expectAccessible(page);
  }
});
