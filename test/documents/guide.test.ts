import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { sharedTestApp, type TestApp } from "../support/server/app.js";
import { send } from "../support/http/raw-request.js";

const root = join(import.meta.dirname, "../..");
const docs = join(root, "docs");
let app: TestApp;
let documents: string[];
beforeAll(async () => {
  app = await sharedTestApp();
  const names = await readdir(docs, { recursive: true });
  documents = names.filter((name) => name.endsWith(".md"));
});

/** The targets of links and images in a document, except external ones. */
async function linksOf(path: string): Promise<string[]> {
  const source = (await readFile(path, "utf8")).replaceAll(/```.*?```|`[^`\n]*`/gs, "");
  return [...source.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

test("every link of a document leads to a document or an image in docs/, and of the README to a file", async () => {
  for (const name of documents) {
    const path = join(docs, name);
    for (const target of await linksOf(path)) {
      const [file = "", anchor] = target.split("#");
      const found = file === "" ? path : join(dirname(path), file);
      const isInside = !relative(docs, found).startsWith("..");
      expect([name, target, isInside && existsSync(found)]).toEqual([name, target, true]);
      if (anchor === undefined) continue;
      const page = await send(app, "GET", `/docs/${relative(docs, found)}`);
      expect([name, target, page.text.includes(` id="${anchor}"`)]).toEqual([name, target, true]);
    }
  }
  for (const target of await linksOf(join(root, "README.md"))) {
    expect([target, existsSync(join(root, target))]).toEqual([target, true]);
  }
});

test("every document is a page without scripts, with the content security policy of all pages", async () => {
  expect((await send(app, "GET", "/docs")).headers.get("location")).toBe("/docs/README.md");
  for (const name of documents) {
    const { status, headers, text: html } = await send(app, "GET", `/docs/${name}`);
    expect([name, status, headers.get("content-type")]).toEqual([
      name,
      200,
      "text/html; charset=utf-8",
    ]);
    expect(headers.get("content-security-policy")).toContain("script-src 'self'");
    expect(html).not.toMatch(/<script|<iframe| on[a-z]+="| style="|javascript:/i);
    expect(html).toMatch(/<h1 id=/);
  }
  const image = await send(app, "GET", "/docs/screenshots/merge-details.png");
  expect([image.status, image.headers.get("content-type")]).toEqual([200, "image/png"]);
  expect((await send(app, "GET", "/docs/docs.css")).status).toBe(200);
});

test("serves nothing but the files in docs/", async () => {
  for (const path of [
    "/docs/missing.md",
    "/docs/../package.json",
    "/docs/..%2fpackage.json",
    "/docs/%2e%2e/package.json",
    "/docs/how-to/..%2f..%2f..%2fpackage.json",
    "/docs/how-to",
    "/docs//etc/passwd",
    "/docs/README.md%00.png",
  ]) {
    const { status, text: answer } = await send(app, "GET", path);
    expect([path, status >= 400, answer.includes('"dependencies"')]).toEqual([path, true, false]);
  }
});

test("the links at the end of the pages lead through all of them and back", async () => {
  const linkOf = (html: string, rel: string): string | undefined =>
    new RegExp(`<a rel="${rel}" href="/docs/([^"]+)"`).exec(html)?.[1];
  const visited: string[] = [];
  for (let path: string | undefined = "README.md"; path !== undefined;) {
    const { text: html } = await send(app, "GET", `/docs/${path}`);
    expect([path, linkOf(html, "prev")]).toEqual([path, visited.at(-1)]);
    visited.push(path);
    path = linkOf(html, "next");
  }
  expect(new Set(visited).size).toBe(visited.length);
  // The list of decision records links to each of them.
  expect(visited.toSorted()).toEqual(
    documents.filter((name) => !name.startsWith("decisions/0")).toSorted(),
  );
});
