/**
 * `npm run docs`: writes the documentation as static files with the look of `/docs`, into site/ or the named folder. The
 * links between the files work on any web server and without one.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureInstalled, fail, requireNode, root } from "./prepare.mjs";

requireNode();
const [name = "site", ...further] = process.argv.slice(2);
if (further.length > 0 || name.startsWith("-")) fail("name one folder: npm run docs -- site");
const site = resolve(root, name);
const marker = join(site, "docs.css");
if (existsSync(site) && readdirSync(site).length > 0 && !existsSync(marker))
  fail(`${site} has other files; name an empty folder`);
ensureInstalled();
ensureBuilt();
const pages = await import(pathToFileURL(join(root, "dist/server/pages/guide/pages.js")).href);

const docs = join(root, "docs");
const order = pages.orderOf(readFileSync(join(docs, "README.md"), "utf8"));
rmSync(site, { recursive: true, force: true });
let count = 0;
for (const entry of readdirSync(docs, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = relative(docs, join(entry.parentPath, entry.name)).replaceAll("\\", "/");
  const target = join(site, path.replace(/\.md$/, ".html"));
  mkdirSync(dirname(target), { recursive: true });
  if (!path.endsWith(".md")) {
    copyFileSync(join(docs, path), target);
    continue;
  }
  count += 1;
  const html = pages.guidePage(path, readFileSync(join(docs, path), "utf8"), order, pages.asFiles);
  writeFileSync(target, html);
}
// The page at the address of the folder.
copyFileSync(join(site, "README.html"), join(site, "index.html"));
writeFileSync(marker, pages.styles);
process.stdout.write(`${count} pages are in ${site}\n`);
